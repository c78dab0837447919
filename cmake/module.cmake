# holdfast_module(name [WITH module] [HOT] [COLD] [SIMULATES] [ALONE file...] [DEPENDS module...] [LIBRARIES target...])
# src/<name>/*.cc but *_test.cc becomes the static library holdfast_<name>; src/<name>/*_test.cc its test program.
# WITH: where HOLDFAST_UNITY compiles a module in one go, this one joins the named one, which comes before it and decides how
# both are compiled. The headers that both include are read once then, and they take half the time of a small module.
# HOT: an item's way goes through it. These are optimised together where HOLDFAST_LTO is on; their objects hold machine
# code as well, so that a program may link them without. A debug build with fuzzers optimises them, for five times the runs.
# COLD: runs once or for a person, so it is optimised less, and compiles in three quarters of the time.
# ALONE: these files are compiled one by one where HOLDFAST_UNITY compiles a module in one go: their system headers collide
# with others, or tests put another object in their place.
# SIMULATES: its tests compute hours or millions of things: a debug build optimises it, or it would not end in time.
# Four files of tests are compiled in one go, so they must not define the same name in their unnamed namespaces.
add_library(holdfast_flags INTERFACE)
if(HOLDFAST_WARNINGS)
  target_compile_options(holdfast_flags INTERFACE -Wall -Wextra -Wconversion -Wshadow)
endif()
if(HOLDFAST_WERROR)
  target_compile_options(holdfast_flags INTERFACE -Werror)
endif()
# GCC 12 warns about its own std::string at -O2 (GCC bug 105651). Unlike clang, it also warns about members that a
# designated initializer leaves to their defaults.
target_compile_options(holdfast_flags INTERFACE "$<$<CXX_COMPILER_ID:GNU>:-Wno-restrict;-Wno-missing-field-initializers>")
if(HOLDFAST_UNITY)
  # In a unity build, later files see the unnamed namespaces of earlier ones. The preset dev has these warnings: outside
  # CI, it compiles each file alone.
  target_compile_options(holdfast_flags INTERFACE -Wno-shadow $<$<CXX_COMPILER_ID:GNU>:-Wno-subobject-linkage>)
endif()
# Clang includes it in -Wconversion; GCC, for C++, does not.
target_compile_options(holdfast_flags INTERFACE $<$<CXX_COMPILER_ID:Clang>:-Wno-sign-conversion>)
# Only what public headers declare leaves libholdfast.so (include/holdfast/visibility.h).
target_compile_options(holdfast_flags INTERFACE -fvisibility=hidden -fvisibility-inlines-hidden)
target_include_directories(holdfast_flags INTERFACE ${PROJECT_SOURCE_DIR}/include ${PROJECT_SOURCE_DIR}/src)
target_compile_definitions(holdfast_flags INTERFACE HOLDFAST_VERSION="${PROJECT_VERSION}")
if(HOLDFAST_SANITIZE)
  # GCC 12 takes std::regex for uninitialised under -fsanitize (GCC bug 105562).
  target_compile_options(holdfast_flags INTERFACE $<$<CXX_COMPILER_ID:GNU>:-Wno-maybe-uninitialized>)
  target_compile_options(holdfast_flags INTERFACE -fsanitize=${HOLDFAST_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
  target_link_options(holdfast_flags INTERFACE -fsanitize=${HOLDFAST_SANITIZE})
endif()

# Behind holdfast_flags: a test file sees the unnamed namespaces of those that are compiled with it.
add_library(holdfast_test_flags INTERFACE)
target_compile_options(holdfast_test_flags INTERFACE -Wno-shadow)
target_include_directories(holdfast_test_flags INTERFACE ${PROJECT_SOURCE_DIR}/tests)  # testing/: what tests share

# One precompiled header for all modules, and one for all tests. The release build finds forgotten includes.
if(HOLDFAST_PRECOMPILE)
  set(standard_headers <algorithm> <array> <atomic> <charconv> <chrono> <condition_variable> <filesystem> <fstream> <functional>
                       <map> <memory> <mutex> <optional> <random> <set> <span> <string> <string_view> <thread> <unordered_map>
                       <utility> <vector>)
  file(WRITE ${PROJECT_BINARY_DIR}/precompiled.cc "int main() {}\n")
  add_library(holdfast_precompiled OBJECT ${PROJECT_BINARY_DIR}/precompiled.cc)
  target_link_libraries(holdfast_precompiled PRIVATE holdfast_flags)
  target_precompile_headers(holdfast_precompiled PRIVATE ${standard_headers})
  if(HOLDFAST_TESTS)
    # Programs, such as the tests, need position-independent code of another kind.
    add_executable(holdfast_precompiled_test ${PROJECT_BINARY_DIR}/precompiled.cc)
    target_link_libraries(holdfast_precompiled_test PRIVATE holdfast_flags GTest::gtest GTest::gmock)
    target_precompile_headers(holdfast_precompiled_test PRIVATE ${standard_headers} <gmock/gmock.h> <gtest/gtest.h>)
  endif()
endif()

# Returns the target that has the objects of a module.
function(holdfast_objects_of module out)
  get_property(joined GLOBAL PROPERTY holdfast_${module}_joins)
  set(${out} holdfast_${module} PARENT_SCOPE)
  if(joined)
    set(${out} holdfast_${joined} PARENT_SCOPE)
  endif()
endfunction()

# Links a program of the tests from the machine code in the objects: link-time optimisation takes half a minute each.
function(holdfast_link_fast)
  if(HOLDFAST_LTO)
    foreach(program ${ARGN})
      target_link_options(${program} PRIVATE -fno-lto)
    endforeach()
  endif()
endfunction()

# Removes the intermediate code from an archive that is installed. GCC reads that of its own version only, and a program with it links
# for half a minute.
function(holdfast_keep_machine_code archive)
  if(HOLDFAST_LTO)
    add_custom_command(TARGET ${archive} POST_BUILD VERBATIM
                       COMMAND ${CMAKE_OBJCOPY} --wildcard -R ".gnu.lto_*" -R ".gnu.debuglto_*" -N "__gnu_lto_*" $<TARGET_FILE:${archive}>)
  endif()
endfunction()

function(holdfast_module name)
  cmake_parse_arguments(ARG "HOT;COLD;SIMULATES" "WITH" "ALONE;DEPENDS;LIBRARIES;TESTED_WITH" ${ARGN})
  if(HOLDFAST_SANITIZE STREQUAL "thread")
    set(ARG_SIMULATES OFF)  # those tests do not run under TSan
  endif()
  file(GLOB sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/src/${name}/*.cc)
  set(tests ${sources})
  list(FILTER sources EXCLUDE REGEX "_test\\.cc$")
  list(FILTER tests INCLUDE REGEX "_test\\.cc$")
  list(TRANSFORM ARG_DEPENDS PREPEND holdfast_)
  if(ARG_WITH AND HOLDFAST_UNITY)
    target_sources(holdfast_${ARG_WITH} PRIVATE ${sources})
    add_library(holdfast_${name} INTERFACE)
    target_link_libraries(holdfast_${name} INTERFACE holdfast_${ARG_WITH})
    set_property(GLOBAL PROPERTY holdfast_${name}_joins ${ARG_WITH})
    set(target holdfast_${ARG_WITH})
  else()
    add_library(holdfast_${name} STATIC ${sources})
    set(target holdfast_${name})
  endif()
  list(REMOVE_ITEM ARG_DEPENDS ${target})
  target_link_libraries(${target} PUBLIC ${ARG_DEPENDS} ${ARG_LIBRARIES} Threads::Threads)
  if(ARG_ALONE)
    list(TRANSFORM ARG_ALONE PREPEND ${PROJECT_SOURCE_DIR}/src/${name}/)
    set_source_files_properties(${ARG_ALONE} PROPERTIES SKIP_UNITY_BUILD_INCLUSION ON)
  endif()
  if(target STREQUAL holdfast_${name})
    target_link_libraries(${target} PRIVATE $<BUILD_INTERFACE:holdfast_flags>)
    set_target_properties(${target} PROPERTIES UNITY_BUILD ${HOLDFAST_UNITY} UNITY_BUILD_BATCH_SIZE 0)
    if(ARG_COLD)
      target_compile_options(${target} PRIVATE $<$<CONFIG:RelWithDebInfo>:-O1>)
    endif()
    if(ARG_SIMULATES)
      target_compile_options(${target} PRIVATE $<$<CONFIG:Debug>:-O2>)
    elseif(ARG_HOT AND HOLDFAST_FUZZ)
      target_compile_options(${target} PRIVATE $<$<CONFIG:Debug>:-O1>)
    elseif(HOLDFAST_PRECOMPILE)
      target_precompile_headers(${target} REUSE_FROM holdfast_precompiled)
    endif()
    if(ARG_HOT AND HOLDFAST_LTO)
      target_compile_options(${target} PRIVATE -flto=auto -ffat-lto-objects)
    endif()
  endif()
  if(HOLDFAST_TESTS AND tests)
    list(TRANSFORM ARG_TESTED_WITH PREPEND ${PROJECT_SOURCE_DIR}/tests/testing/)
    add_executable(${name}_test ${tests} ${ARG_TESTED_WITH})
    target_link_libraries(${name}_test PRIVATE holdfast_${name} holdfast_flags holdfast_test_flags GTest::gtest_main GTest::gmock)
    set_target_properties(${name}_test PROPERTIES UNITY_BUILD ON UNITY_BUILD_BATCH_SIZE 4)
    if(ARG_SIMULATES)
      target_compile_options(${name}_test PRIVATE $<$<CONFIG:Debug>:-O2>)
    elseif(HOLDFAST_PRECOMPILE)
      target_precompile_headers(${name}_test REUSE_FROM holdfast_precompiled_test)
    endif()
    add_test(NAME ${name}_test COMMAND ${name}_test)
    set_tests_properties(${name}_test PROPERTIES TIMEOUT 900)
  endif()
endfunction()
