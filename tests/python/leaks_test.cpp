// SPDX-License-Identifier: Apache-2.0
// Every way through the gateway, hundreds of times: Python's memory is afterwards what it was.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <functional>
#include <string>
#include <vector>

#include "fake_server.hpp"

namespace wsgix::python_tests {
namespace {

/// sys.getallocatedblocks() counts what CPython's own allocator has given out; a debug build counts
/// references too. What a cycle holds is collected first.
const char* const kMeasure = R"(
import gc, sys

def application(environ, start_response):
    for _ in range(3):
        gc.collect()
    start_response('200 OK', [])
    references = getattr(sys, 'gettotalrefcount', int)()
    return [('%d %d' % (sys.getallocatedblocks(), references)).encode()]
)";

/// One way through the gateway for each name.
const char* const kWays = R"(
import contextvars, sys, threading, wsgiref.util

class Body:
    def __init__(self, pieces, close=None):
        self.pieces, self.close_with = iter(pieces), close
    def __iter__(self):
        return self
    def __next__(self):
        return next(self.pieces)
    def close(self):
        if self.close_with is not None:
            raise self.close_with

class WithALength(Body):
    def __len__(self):
        return 1

class Odd(str):
    pass

def failing_generator():
    yield b'first'
    raise ValueError('in the middle')

def raising_before():
    raise ValueError('before')
    yield b''

variable = contextvars.ContextVar('variable')
kept = []

def application(environ, start_response):
    way = environ['PATH_INFO'][1:]
    def ok(*headers):
        return start_response('200 OK', [('A', 'b'), *headers])
    if way == 'list': ok(); return [b'x', b'', b'y']
    if way == 'bytes': ok(); return b'xyz'
    if way == 'empty': ok(); return []
    if way == 'tuple': ok(); return (b'x',)
    if way == 'length': ok(('Content-Length', '1')); return [b'x']
    if way == 'too_long': ok(('Content-Length', '1')); return [b'xyz']
    if way == 'too_short': ok(('Content-Length', '9')); return [b'xyz']
    if way == 'large': ok(); return [b'x' * 200000] * 3
    if way == 'generator': ok(); return (b'x' for _ in range(5))
    if way == 'closed': ok(); return Body([b'x', b'y'])
    if way == 'with_len': ok(); return WithALength([b'x'])
    if way == 'write': write = ok(); write(b'x'); write(b'y' * 70000); return [b'z']
    if way == 'nothing_started': return []
    if way == 'body_without_start': return [b'x']
    if way == 'none': ok(); return None
    if way == 'text': ok(); return ['x']
    if way == 'number': ok(); return [1]
    if way == 'raises': raise ValueError('at once')
    if way == 'raises_after_start': ok(); raise ValueError('after start')
    if way == 'raises_in_body': ok(); return failing_generator()
    if way == 'raises_before_body': ok(); return raising_before()
    if way == 'raises_after_flush': write = ok(); write(b'x' * 70000); raise ValueError('cut')
    if way == 'raises_in_close': ok(); return Body([b'x'], ValueError('close'))
    if way == 'chained':
        try:
            raise KeyError('cause')
        except KeyError as cause:
            raise ValueError('chained') from cause
    if way == 'local_cycle':
        cycle = []; cycle.append(cycle); cycle.append(environ); ok(); return [b'x']
    if way == 'system_exit': sys.exit('out')
    if way == 'keyboard': raise KeyboardInterrupt
    if way == 'stop_iteration': raise StopIteration
    if way == 'restarted':
        ok()
        try:
            raise ValueError('late')
        except ValueError:
            start_response('500 Oops', [('B', 'c')], sys.exc_info())
        return [b'x']
    if way == 'restarted_too_late':
        write = ok(); write(b'x' * 70000)
        try:
            raise ValueError('late')
        except ValueError:
            start_response('500 Oops', [], sys.exc_info())
    if way == 'started_twice': ok(); ok(); return [b'x']
    if way == 'bad_status': start_response('2 OK', []); return []
    if way == 'bad_header': ok(('A B', 'c')); return []
    if way == 'bad_value': ok(('A', 'b\r\nC: d')); return []
    if way == 'not_latin': ok(('A', '\u20ac')); return []
    if way == 'odd_strings': start_response(Odd('200 OK'), [(Odd('A'), Odd('b'))]); return [b'x']
    if way == 'hop_by_hop': ok(('Connection', 'close')); return [b'x']
    if way == 'hints':
        environ['wsgix.early_hints']([('Link', '</a>')]); ok(); return [b'x']
    if way == 'bad_hints': environ['wsgix.early_hints']([('Link', 1)])
    if way == 'gone_asked': ok(); return [str(environ['wsgix.client_disconnected']()).encode()]
    if way == 'read': ok(); return [environ['wsgi.input'].read()]
    if way == 'read_some': ok(); return [environ['wsgi.input'].read(2)]
    if way == 'readline': ok(); return [environ['wsgi.input'].readline(), environ['wsgi.input'].readline(3)]
    if way == 'readlines': ok(); return environ['wsgi.input'].readlines()
    if way == 'lines': ok(); return list(environ['wsgi.input'])
    if way == 'readinto':
        ok(); into = bytearray(4); environ['wsgi.input'].readinto(into); return [bytes(into)]
    if way == 'read_badly': environ['wsgi.input'].read('x')
    if way == 'read_ignored':
        try:
            environ['wsgi.input'].read()
        except Exception:
            pass
        ok(); return [b'x']
    if way == 'file':
        ok(); return environ['wsgi.file_wrapper'](open(__file__, 'rb'), 4096)
    if way == 'no_file':
        import io; ok(); return environ['wsgi.file_wrapper'](io.BytesIO(b'abc'))
    if way == 'errors':
        environ['wsgi.errors'].write('a line\n'); environ['wsgi.errors'].writelines(['b\n', 'c'])
        environ['wsgi.errors'].flush(); ok(); return []
    if way == 'prints': print('out'); print('err', file=sys.stderr); ok(); return []
    if way == 'part_of_a_line': print('no end', end=''); ok(); return []
    if way == 'writes_bytes': environ['wsgi.errors'].write(b'x')
    if way == 'thread':
        thread = threading.Thread(target=print, args=('from a thread',))
        thread.start(); thread.join(); ok(); return []
    if way == 'context': variable.set(environ); ok(); return [b'x']
    if way == 'keeps_the_stream':
        kept[:] = [environ['wsgi.input'], environ['wsgi.errors'], start_response]; ok(); return []
    if way == 'uses_a_kept_stream':
        try:
            kept[0].read()
        except Exception as error:
            pass
        ok(); return []
    if way == 'changes_environ': environ.clear(); ok(); return [b'x']
    raise AssertionError(way)
)";

struct Way {
  std::string name;
  Request request = {};
};

std::vector<Way> ways() {
  std::vector<Way> all;
  for (const char* const name : {"list",
                                 "bytes",
                                 "empty",
                                 "tuple",
                                 "length",
                                 "too_long",
                                 "too_short",
                                 "large",
                                 "generator",
                                 "closed",
                                 "with_len",
                                 "write",
                                 "nothing_started",
                                 "body_without_start",
                                 "none",
                                 "text",
                                 "number",
                                 "raises",
                                 "raises_after_start",
                                 "raises_in_body",
                                 "raises_before_body",
                                 "raises_after_flush",
                                 "raises_in_close",
                                 "chained",
                                 "local_cycle",
                                 "system_exit",
                                 "keyboard",
                                 "stop_iteration",
                                 "restarted",
                                 "restarted_too_late",
                                 "started_twice",
                                 "bad_status",
                                 "bad_header",
                                 "bad_value",
                                 "not_latin",
                                 "odd_strings",
                                 "hop_by_hop",
                                 "hints",
                                 "bad_hints",
                                 "gone_asked",
                                 "read",
                                 "read_some",
                                 "readline",
                                 "readlines",
                                 "lines",
                                 "readinto",
                                 "read_badly",
                                 "read_ignored",
                                 "file",
                                 "no_file",
                                 "errors",
                                 "prints",
                                 "part_of_a_line",
                                 "writes_bytes",
                                 "thread",
                                 "context",
                                 "keeps_the_stream",
                                 "uses_a_kept_stream",
                                 "changes_environ"}) {
    all.push_back({name});
  }
  for (Way& way : all) {
    if (way.name.rfind("read", 0) == 0 || way.name == "lines") {
      way.request.body = {"one\ntwo\n", "three", "\nfour"};
    }
  }
  const auto also = [&](const std::string& name, const auto& change) {
    Way way{name};
    change(way.request);
    all.push_back(way);
  };
  for (const int at : {1, 2, 3}) {
    for (const char* const name : {"large", "generator", "write", "file", "hints"}) {
      also(name, [&](Request& request) { request.fail_send_at = at; });
    }
  }
  for (const int failure : {WSGIX_IO_CLIENT_GONE, WSGIX_IO_TIMED_OUT, WSGIX_IO_TOO_LARGE,
                            WSGIX_IO_MALFORMED, WSGIX_IO_FAILED}) {
    for (const char* const name : {"read", "lines", "read_ignored"}) {
      also(name, [&](Request& request) {
        request.body = {"part"};
        request.body_failure = failure;
      });
    }
  }
  also("gone_asked", [](Request& request) { request.client_gone = true; });
  also("list", [](Request& request) { request.environ = {{"REQUEST_METHOD", "HEAD"}}; });
  also("list", [](Request& request) { request.environ = {{"X", "\xff\xfe"}}; });
  also("list", [](Request& request) { request.callable_name = "missing"; });
  also("list", [](Request& request) { request.callable_name = "kept"; });
  return all;
}

class Leaks : public RuntimeTest {
 protected:
  struct Memory {
    long long blocks = 0;
    long long references = 0;
  };
  Memory memory() {
    Request request;
    request.script = measure_;
    const Reply reply = Server::the().handle(request);
    Memory now;
    EXPECT_EQ(std::sscanf(reply.body.c_str(), "%lld %lld", &now.blocks, &now.references), 2)
        << reply.body << reply.whole_log();
    return now;
  }

  /// A leak grows by an object with every round. Caches grow less and less: CPython's cache of
  /// methods keeps names, and cannot be cleared while another interpreter has one (up to 3.11).
  void expect_no_growth(const std::string& name, int count, const std::function<void()>& round) {
    constexpr int kBatches = 8;
    Memory least{count, count};
    memory();
    for (int batch = 0; batch < kBatches && !is_steady(least, count); ++batch) {
      const Memory before = memory();
      for (int i = 0; i < count; ++i) round();
      const Memory after = memory();
      least.blocks = std::min(least.blocks, after.blocks - before.blocks);
      least.references = std::min(least.references, after.references - before.references);
    }
    EXPECT_TRUE(is_steady(least, count))
        << name << ": " << count << " times leave at least " << least.blocks << " blocks and "
        << least.references << " references";
  }
  static bool is_steady(const Memory& growth, int count) {
    return growth.blocks < count * 3 / 4 && growth.references < count * 3 / 4;
  }

  const std::string measure_ = write("measure.wsgi", kMeasure);
};

TEST_F(Leaks, NoWayThroughTheGatewayLeavesAnythingBehind) {
  const std::string script = write("ways.wsgi", kWays);
  for (Way& way : ways()) {
    way.request.script = script;
    way.request.environ.emplace_back("PATH_INFO", "/" + way.name);
    expect_no_growth(way.name, 120, [&] { Server::the().handle(way.request); });
  }
}

TEST_F(Leaks, AScriptThatCannotBeLoadedLeavesNothingBehind) {
  const std::pair<const char*, const char*> sources[] = {
      {"a syntax error", "def application(:\n"},
      {"an exception", "import sys\nraise ValueError('at import')\n"},
      {"an exit", "import sys\nsys.exit(3)\n"},
      {"no callable", "other = 1\n"},
      {"a missing module", "import there_is_none_of_that_name\n"},
  };
  for (const auto& [name, source] : sources) {
    Request request;
    request.script = write(std::string("broken_") + name + ".wsgi", source);
    expect_no_growth(name, 60, [&] { Server::the().handle(request); });
  }
}

TEST_F(Leaks, AScriptThatIsLoadedAnewReplacesTheOneBefore) {
  Request request;
  const auto reload = [&] {
    request.script = write("touched.wsgi",
                           "data = [object() for _ in range(1000)]\n"
                           "def application(environ, start_response):\n"
                           "    start_response('200 OK', [])\n"
                           "    return [b'x']\n");
    const Reply reply = Server::the().handle(request);
    EXPECT_EQ(reply.body, "x");
  };
  expect_no_growth("a reload", 60, reload);
}

TEST_F(Leaks, AnotherInterpreterIsNoDifferent) {
  const std::string script = write("ways.wsgi", kWays);
  for (const char* const name : {"list", "raises", "read", "write", "thread"}) {
    Request request;
    request.script = script;
    request.application_group = "leaks";
    request.environ.emplace_back("PATH_INFO", std::string("/") + name);
    request.body = {"one\ntwo\n"};
    expect_no_growth(name, 120, [&] { Server::the().handle(request); });
  }
}

}  // namespace
}  // namespace wsgix::python_tests
