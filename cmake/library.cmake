# libholdfast: the modules in one archive, the public headers, find_package(holdfast) and pkg-config.
include(CMakePackageConfigHelpers)

set(holdfast_modules base text net model options reactor tcp tls codec conn device pipeline server capi)
set(holdfast_links simdjson::simdjson OpenSSL::SSL)
foreach(module IN LISTS holdfast_modules)
  holdfast_objects_of(${module} target)
  list(APPEND holdfast_objects $<TARGET_OBJECTS:${target}>)
endforeach()
list(REMOVE_DUPLICATES holdfast_objects)
add_library(holdfast STATIC)
# The library exports the declarations of include/holdfast: the modules are compiled with hidden visibility.
add_library(holdfast_shared SHARED)
foreach(library holdfast holdfast_shared)
  target_sources(${library} PRIVATE ${holdfast_objects})
  set_target_properties(${library} PROPERTIES LINKER_LANGUAGE CXX OUTPUT_NAME holdfast)
  target_compile_features(${library} PUBLIC cxx_std_20)
  target_include_directories(${library} PUBLIC $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>
                                               $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
  target_link_libraries(${library} PUBLIC Threads::Threads)
endforeach()
target_link_libraries(holdfast PUBLIC ${holdfast_links})
holdfast_keep_machine_code(holdfast)
# The names of find_package, for a program that adds this tree to its own.
add_library(holdfast::holdfast ALIAS holdfast)
add_library(holdfast::shared ALIAS holdfast_shared)
# Before 1.0 a minor version may break programs that were compiled against an earlier one.
set_target_properties(holdfast_shared PROPERTIES EXPORT_NAME shared VERSION ${PROJECT_VERSION}
                      SOVERSION ${PROJECT_VERSION_MAJOR}.${PROJECT_VERSION_MINOR})
target_link_libraries(holdfast_shared PRIVATE ${holdfast_links})
# Symbols have the soname's version in their names, too (include/holdfast/visibility.h).
file(STRINGS ${PROJECT_SOURCE_DIR}/include/holdfast/visibility.h abi REGEX "^#define HOLDFAST_ABI ")
string(REPLACE "#define HOLDFAST_ABI " "" abi "${abi}")
if(NOT abi STREQUAL "v${PROJECT_VERSION_MAJOR}_${PROJECT_VERSION_MINOR}")
  message(FATAL_ERROR "HOLDFAST_ABI in include/holdfast/visibility.h is ${abi}, but the version is ${PROJECT_VERSION}: change both")
endif()
string(LENGTH "${abi}" abi_length)
set(abi_mangled "${abi_length}${abi}")
configure_file(cmake/exports.map.in ${PROJECT_BINARY_DIR}/exports.map @ONLY)
target_link_options(holdfast_shared PRIVATE -Wl,--version-script=${PROJECT_BINARY_DIR}/exports.map)
set_property(TARGET holdfast_shared APPEND PROPERTY LINK_DEPENDS ${PROJECT_BINARY_DIR}/exports.map)
if(HOLDFAST_SANITIZE)
  target_link_options(holdfast_shared PRIVATE -fsanitize=${HOLDFAST_SANITIZE})
endif()

# holdfast::testing: a gateway in simulated time, for the tests of embedding programs (include/holdfast/testing.h). Its kernel calls
# replace those of libholdfast.a, so it needs the static library. The daemon does not link it.
foreach(module harness simulation)
  holdfast_objects_of(${module} target)
  list(APPEND holdfast_testing_objects $<TARGET_OBJECTS:${target}>)
endforeach()
list(REMOVE_DUPLICATES holdfast_testing_objects)
add_library(holdfast_for_tests STATIC ${holdfast_testing_objects})
set_target_properties(holdfast_for_tests PROPERTIES LINKER_LANGUAGE CXX OUTPUT_NAME holdfast_testing EXPORT_NAME testing)
target_link_libraries(holdfast_for_tests PUBLIC holdfast)
holdfast_keep_machine_code(holdfast_for_tests)

if(NOT HOLDFAST_INSTALL)
  set_target_properties(holdfast_shared holdfast_for_tests PROPERTIES EXCLUDE_FROM_ALL ON)
  return()
endif()

# Programs of docs/tasks/embed.md, which the process tests build and run.
foreach(example application_auth device_manager handler_test relay tracker_bridge)
  add_executable(${example} EXCLUDE_FROM_ALL examples/${example}.cc)
  target_link_libraries(${example} PRIVATE holdfast holdfast_flags)
endforeach()
# The ways to send, compared.
add_executable(send_ways EXCLUDE_FROM_ALL bench/send_ways.cc)
target_link_libraries(send_ways PRIVATE holdfast holdfast_flags)
target_link_libraries(handler_test PRIVATE holdfast_for_tests)

# The API reference, from the comments of the public headers (docs/decisions/0033). A warning is an error.
configure_file(cmake/Doxyfile.in ${PROJECT_BINARY_DIR}/Doxyfile @ONLY)
file(MAKE_DIRECTORY ${PROJECT_BINARY_DIR}/api/html)
add_custom_target(api_reference COMMAND doxygen ${PROJECT_BINARY_DIR}/Doxyfile VERBATIM)
install(DIRECTORY ${PROJECT_BINARY_DIR}/api/html/ DESTINATION ${CMAKE_INSTALL_DOCDIR}/api COMPONENT development)

install(DIRECTORY include/holdfast DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} COMPONENT development)
install(TARGETS holdfast holdfast_for_tests EXPORT holdfast ARCHIVE COMPONENT development)
install(TARGETS holdfast_shared EXPORT holdfast LIBRARY COMPONENT library NAMELINK_COMPONENT development)
if(HOLDFAST_DAEMON)
  install(TARGETS holdfast_gateway EXPORT holdfast-gateway ARCHIVE COMPONENT development)
  install(EXPORT holdfast-gateway NAMESPACE holdfast:: FILE holdfast-gateway-targets.cmake
          DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/holdfast COMPONENT development)
endif()
install(EXPORT holdfast NAMESPACE holdfast:: FILE holdfast-targets.cmake DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/holdfast
        COMPONENT development)
write_basic_package_version_file(${PROJECT_BINARY_DIR}/holdfast-config-version.cmake COMPATIBILITY SameMinorVersion)
configure_package_config_file(cmake/holdfast-config.cmake.in ${PROJECT_BINARY_DIR}/holdfast-config.cmake
                              INSTALL_DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/holdfast)
# Relative, so that the installed tree can be moved.
file(RELATIVE_PATH holdfast_prefix_from_pc /prefix/${CMAKE_INSTALL_LIBDIR}/pkgconfig /prefix)
configure_file(cmake/holdfast.pc.in ${PROJECT_BINARY_DIR}/holdfast.pc @ONLY)
configure_file(cmake/holdfast-testing.pc.in ${PROJECT_BINARY_DIR}/holdfast-testing.pc @ONLY)
if(HOLDFAST_DAEMON)
  configure_file(cmake/holdfast-gateway.pc.in ${PROJECT_BINARY_DIR}/holdfast-gateway.pc @ONLY)
  install(FILES ${PROJECT_BINARY_DIR}/holdfast-gateway.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig COMPONENT development)
endif()
install(FILES ${PROJECT_BINARY_DIR}/holdfast-config.cmake ${PROJECT_BINARY_DIR}/holdfast-config-version.cmake
        DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/holdfast
        COMPONENT development)
install(FILES ${PROJECT_BINARY_DIR}/holdfast.pc ${PROJECT_BINARY_DIR}/holdfast-testing.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig COMPONENT development)

# The simulator of tests/simulation: random worlds of the gateway in simulated time, with the promises as invariants. The planted one has
# defects that it must find (src/base/plant.h): the files of the target that has them are compiled again.
if(HOLDFAST_DAEMON)
  file(GLOB simulator_sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/tests/simulation/*.cc)
  foreach(module conn tls tcp reactor)
    file(GLOB module_sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/src/${module}/*.cc)
    list(APPEND planted_sources ${module_sources})
  endforeach()
  list(FILTER planted_sources EXCLUDE REGEX "_test\\.cc$")
  add_executable(holdfast_simulator EXCLUDE_FROM_ALL ${simulator_sources})
  add_executable(holdfast_simulator_planted EXCLUDE_FROM_ALL ${simulator_sources} ${planted_sources})
  target_compile_definitions(holdfast_simulator_planted PRIVATE HOLDFAST_PLANT)
  foreach(simulator holdfast_simulator holdfast_simulator_planted)
    target_link_libraries(${simulator} PRIVATE holdfast_harness holdfast_spool holdfast_flags)
    target_compile_options(${simulator} PRIVATE $<$<CONFIG:Debug>:-O2>)
    set_target_properties(${simulator} PROPERTIES UNITY_BUILD ${HOLDFAST_UNITY} UNITY_BUILD_BATCH_SIZE 0)
  endforeach()
  target_sources(holdfast_simulator_planted PRIVATE $<TARGET_OBJECTS:holdfast_planted_spool>)
  holdfast_link_fast(holdfast_simulator holdfast_simulator_planted)
  if(HOLDFAST_TESTS)
    set_target_properties(holdfast_simulator PROPERTIES EXCLUDE_FROM_ALL OFF)
    # Worlds that are the same in each run; new ones are for longer runs by hand.
    add_test(NAME simulator COMMAND holdfast_simulator --small --seed 7000 --worlds 10)
  endif()
endif()

# The scenarios that test_model.py compares with the real kernel.
add_executable(holdfast_scenarios EXCLUDE_FROM_ALL tests/simulation/scenarios/scenarios.cc)
target_link_libraries(holdfast_scenarios PRIVATE holdfast_for_tests holdfast_flags)
