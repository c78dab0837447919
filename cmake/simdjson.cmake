# src/codec/line_batch.cc calls the two stages of simdjson's parser, which are not part of its public interface. Only versions that
# passed its tests are accepted: docs/decisions/0022. `cmake -DVERSION=3.0.1 -P cmake/simdjson.cmake` checks one.
if(CMAKE_SCRIPT_MODE_FILE)
  cmake_minimum_required(VERSION 3.25)
endif()
set(HOLDFAST_SIMDJSON_VERSIONS 3.0.1)

function(holdfast_check_simdjson version)
  if(NOT version IN_LIST HOLDFAST_SIMDJSON_VERSIONS)
    message(FATAL_ERROR "simdjson ${version} cannot be used: src/codec/line_batch.cc calls internals that were tested with "
                        "${HOLDFAST_SIMDJSON_VERSIONS} only; install that version (libsimdjson-dev of Debian 12), or add ${version} to "
                        "cmake/simdjson.cmake and pass codec_test and fuzz_batch with it")
  endif()
endfunction()

if(CMAKE_SCRIPT_MODE_FILE)
  holdfast_check_simdjson("${VERSION}")
endif()
