# shellcheck shell=bash disable=SC2154
# SPDX-License-Identifier: Apache-2.0
# Configures and builds one preset.

# build_preset PRESET [FOLDER [TARGET...]]
build_preset() {
  local preset=$1 folder=${2:-$CHECKOUT/build/$1}
  shift
  (($# == 0)) || shift
  local targets=()
  (($# == 0)) || targets=(--target "$@")
  local extra=()
  # What is served needs no unit tests, so that scripts/run needs no packages for them.
  [[ $preset != release ]] || extra+=(-DWSGIX_TESTS=OFF)
  if command -v ccache >/dev/null; then
    extra+=(-DCMAKE_CXX_COMPILER_LAUNCHER=ccache)
  fi
  note "building $preset in $folder"
  cmake -S "$CHECKOUT" --preset "$preset" -B "$folder" --log-level=WARNING \
    -DWSGIX_PYTHON="$PYTHON" -DWSGIX_APXS="$APXS" "${extra[@]}" >&2 || return
  cmake --build "$folder" --parallel "$(nproc)" "${targets[@]}" >&2
}
