# SPDX-License-Identifier: Apache-2.0
# The Python whose headers the runtime library is compiled with, and which serves groups without
# a python-home=. The distribution's own comes first: a developer's PATH may hold another one.
if(NOT WSGIX_PYTHON)
  find_program(WSGIX_PYTHON NAMES python3 PATHS /usr/bin NO_DEFAULT_PATH)
  find_program(WSGIX_PYTHON NAMES python3 DOC "Python whose headers compile the runtime library")
endif()
if(NOT WSGIX_PYTHON)
  message(FATAL_ERROR "python3 not found. Debian: apt install python3-dev; or -DWSGIX_PYTHON=/path/to/python3")
endif()
execute_process(
  COMMAND ${WSGIX_PYTHON} -c "import sys, sysconfig as s; print('%d.%d;%s;%s' % (*sys.version_info[:2], s.get_path('include'), s.get_config_var('INSTSONAME')))"
  OUTPUT_VARIABLE answer OUTPUT_STRIP_TRAILING_WHITESPACE)
list(GET answer 0 WSGIX_PYTHON_VERSION)
list(GET answer 1 WSGIX_PYTHON_INCLUDEDIR)
# The file name that the dynamic linker looks up, e.g. libpython3.11.so.1.0.
set(WSGIX_DEFAULT_LIBPYTHON "libpython${WSGIX_PYTHON_VERSION}.so.1.0" CACHE STRING "libpython of groups without python-home=")
if(NOT EXISTS ${WSGIX_PYTHON_INCLUDEDIR}/Python.h)
  message(FATAL_ERROR "${WSGIX_PYTHON_INCLUDEDIR}/Python.h not found. Debian: apt install python3-dev")
endif()

add_library(wsgix_python_headers INTERFACE)
target_include_directories(wsgix_python_headers SYSTEM INTERFACE ${WSGIX_PYTHON_INCLUDEDIR})
target_compile_definitions(wsgix_python_headers INTERFACE Py_LIMITED_API=0x03090000)
message(STATUS "Python: ${WSGIX_PYTHON} (${WSGIX_PYTHON_VERSION}), default library ${WSGIX_DEFAULT_LIBPYTHON}")
