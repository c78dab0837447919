#!/usr/bin/env bash
# Installs the release build into an empty tree, and builds examples/minimal against it by find_package and by
# pkg-config. Sends each a device line.
set -euo pipefail
cd "$(dirname "$0")/../.."
work=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server" 2>/dev/null || true; rm -rf "$work"' EXIT

fail() { echo "tests/install: $*" >&2; exit 1; }

try() {  # name binary
  "$2" 127.0.0.1:0 >"$work/$1.out" &
  server=$!
  for _ in $(seq 100); do grep -q listening "$work/$1.out" && break; read -rt 0.1 <> <(:) || true; done
  port=$(sed -n 's/^listening on 127.0.0.1://p' "$work/$1.out")
  [ -n "$port" ] || fail "$1: the example does not listen"
  printf '{"ip":"10.20.30.40","status":"online"}\n' >"/dev/tcp/127.0.0.1/$port"
  for _ in $(seq 100); do grep -q "left: peer_closed" "$work/$1.out" && break; read -rt 0.1 <> <(:) || true; done
  kill -TERM "$server"
  wait "$server" || fail "$1: the example ended with $?"
  server=
  grep -q 'sent {"ip":"10.20.30.40","status":"online"}$' "$work/$1.out" || fail "$1: the item is missing: $(cat "$work/$1.out")"
  grep -q "left: peer_closed" "$work/$1.out" || fail "$1: the close is missing: $(cat "$work/$1.out")"
  echo "$1: ok"
}

cmake --build build/release --target api_reference >"$work/doxygen" 2>&1 || fail "the API reference: $(cat "$work/doxygen")"
cmake --install build/release --prefix "$work/tree" >/dev/null
[ -s "$work/tree/share/doc/holdfast/api/classholdfast_1_1Server.html" ] || fail "the API reference is not installed"
[ -x "$work/tree/bin/holdfast" ] || fail "the command is not installed"
python3 tests/links.py "$work/tree/share/doc/holdfast" || fail "the installed pages have dead links"

cmake -S examples/minimal -B "$work/consumer" -GNinja -DCMAKE_PREFIX_PATH="$work/tree" >/dev/null
cmake --build "$work/consumer" >/dev/null
try find_package "$work/consumer/server"

pc=$(dirname "$(find "$work/tree" -name holdfast.pc)")
for kind in shared static; do
  static=()
  [ $kind = shared ] || static=(--static)
  flags=$(PKG_CONFIG_PATH="$pc" pkg-config --cflags --libs "${static[@]}" holdfast)
  [ $kind = shared ] || flags=${flags/-lholdfast/-l:libholdfast.a}
  # shellcheck disable=SC2086
  g++ -std=c++20 examples/minimal/server.cc -o "$work/by_pkg_config_$kind" $flags
  LD_LIBRARY_PATH=$(dirname "$pc") try "pkg-config_$kind" "$work/by_pkg_config_$kind"
done
# A program in C needs the shared library alone.
printf '#include <holdfast/c.h>\nint main(void) { return hf_abi_version() != HF_ABI_VERSION; }\n' >"$work/user.c"
# shellcheck disable=SC2046
gcc -std=c99 -Wall -Wextra -pedantic -Werror "$work/user.c" -o "$work/user" $(PKG_CONFIG_PATH="$pc" pkg-config --cflags --libs holdfast)
LD_LIBRARY_PATH=$(dirname "$pc") "$work/user" || fail "a program in C has another version than the library"
echo "C: ok"
# The test of a handler: in both orders of the libraries, the simulated kernel calls win.
testing=$(PKG_CONFIG_PATH="$pc" pkg-config --cflags --libs holdfast-testing)
for order in "$testing" "${testing/-lholdfast_testing -l:libholdfast.a/-l:libholdfast.a -lholdfast_testing -l:libholdfast.a}"; do
  # shellcheck disable=SC2086
  g++ -std=c++20 examples/handler_test.cc -o "$work/handler_test" $order
  "$work/handler_test" >"$work/handler_test.out" || fail "the test of a handler fails: $(cat "$work/handler_test.out")"
done
echo "pkg-config_testing: ok"
# The daemon's parts around a program's server.
gateway=$(PKG_CONFIG_PATH="$pc" pkg-config --cflags --libs holdfast-gateway)
# shellcheck disable=SC2086
g++ -std=c++20 examples/gateway_with_dashboard.cc -o "$work/gateway" $gateway
mkdir "$work/with_gateway"
cat >"$work/with_gateway/CMakeLists.txt" <<END
cmake_minimum_required(VERSION 3.25)
project(with_gateway LANGUAGES CXX)
find_package(holdfast REQUIRED COMPONENTS gateway)
add_executable(gateway $PWD/examples/gateway_with_dashboard.cc)
target_link_libraries(gateway PRIVATE holdfast::gateway)
END
cmake -S "$work/with_gateway" -B "$work/with_gateway/build" -GNinja -DCMAKE_PREFIX_PATH="$work/tree" >/dev/null
cmake --build "$work/with_gateway/build" >/dev/null
for program in "$work/gateway" "$work/with_gateway/build/gateway"; do
  "$program" 127.0.0.1:0 127.0.0.1:0 "$work/spool" >"$work/gateway.out" 2>&1 &
  server=$!
  for _ in $(seq 100); do grep -q "devices on" "$work/gateway.out" && break; read -rt 0.1 <> <(:) || true; done
  kill -TERM "$server"
  wait "$server" || fail "the gateway with a dashboard ended with $?: $(cat "$work/gateway.out")"
  server=
done
echo "gateway: ok"
# A program that has this tree as a part of its own: the library alone, quietly, and nothing of it is installed.
mkdir "$work/part"
cat >"$work/part/CMakeLists.txt" <<END
cmake_minimum_required(VERSION 3.25)
project(part LANGUAGES CXX)
add_subdirectory($PWD holdfast)
add_executable(server $PWD/examples/minimal/server.cc)
target_link_libraries(server PRIVATE holdfast::holdfast)
END
cmake -S "$work/part" -B "$work/part/build" -GNinja -DHOLDFAST_UNITY=ON >"$work/part.log" 2>&1 || fail "as a part: $(cat "$work/part.log")"
cmake --build "$work/part/build" >>"$work/part.log" 2>&1 || fail "as a part: $(tail -20 "$work/part.log")"
! grep -i warning "$work/part.log" || fail "as a part, the build has warnings"
! grep -qE -- '-Wall|-Werror' "$work/part/build/build.ninja" || fail "as a part, flags of our own warnings are set"
cmake --install "$work/part/build" --prefix "$work/part/tree" >/dev/null
[ -z "$(find "$work/part/tree" -type f 2>/dev/null)" ] || fail "as a part, it installs files"
ctest --test-dir "$work/part/build" -N | grep -q "Total Tests: 0" || fail "as a part, it has tests"
[ ! -e "$work/part/build/holdfast/holdfast" ] || fail "as a part, it builds the command"
try subproject "$work/part/build/server"

# The shared library exports exactly the declarations of the public headers, and the headers are quiet in a user's program.
python3 tests/public_api.py "$work/tree/include/holdfast" "$(dirname "$pc")/libholdfast.so" || fail "the public API is not as the headers say"
echo "public API: ok"
