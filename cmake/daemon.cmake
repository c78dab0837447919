find_package(PkgConfig REQUIRED)
find_package(tomlplusplus REQUIRED)
find_package(CLI11 REQUIRED)
find_package(spdlog REQUIRED)
find_package(CURL REQUIRED)
find_package(Boost 1.81 REQUIRED)  # headers only: Asio and Beast
pkg_check_modules(nats REQUIRED IMPORTED_TARGET libnats)
pkg_check_modules(capng REQUIRED IMPORTED_TARGET libcap-ng)
pkg_check_modules(ncurses REQUIRED ncursesw)  # its flags ask for what g++ and clang++ define anyway, and differently
pkg_check_modules(sqlite REQUIRED IMPORTED_TARGET sqlite3)
pkg_check_modules(zlib REQUIRED IMPORTED_TARGET zlib)

holdfast_module(cli COLD ALONE consumer.cc
                DEPENDS keeper daemon top api config doctor load conformance server device spool client codec options model net text base
                LIBRARIES CLI11::CLI11 simdjson::simdjson)
holdfast_module(daemon COLD DEPENDS api watch alarm trend config fleet forward sink spool server codec options model net text base
                LIBRARIES spdlog::spdlog PkgConfig::capng simdjson::simdjson)
holdfast_module(keeper WITH daemon COLD DEPENDS daemon options text base)
holdfast_module(embed WITH daemon COLD DEPENDS daemon api config server options model base)
holdfast_module(top WITH cli COLD DEPENDS api client model net text LIBRARIES ${ncurses_LINK_LIBRARIES})
holdfast_module(client WITH cli COLD DEPENDS http_client model net text base LIBRARIES simdjson::simdjson)
holdfast_module(doctor WITH daemon COLD DEPENDS server tcp model net text base)
holdfast_module(load DEPENDS codec tls tcp reactor model net text base)
holdfast_module(conformance WITH load DEPENDS codec tcp model net text base LIBRARIES simdjson::simdjson)
holdfast_module(api COLD DEPENDS watch server alarm detect trend fleet forward sink spool http_server codec options model net text
                base LIBRARIES simdjson::simdjson)
include(cmake/dashboard.cmake)
holdfast_module(http_server COLD DEPENDS tls tcp net text base LIBRARIES OpenSSL::Crypto Boost::headers)
# Compiled once, in asio.cc. No other module includes Boost.
target_compile_definitions(holdfast_http_server PRIVATE BOOST_ASIO_SEPARATE_COMPILATION BOOST_BEAST_SEPARATE_COMPILATION
                                                        BOOST_ASIO_NO_DEPRECATED)
holdfast_module(alarm COLD SIMULATES DEPENDS detect fleet forward http_client options model net text base)
holdfast_module(watch WITH alarm DEPENDS server alarm detect trend tcp options model base)
holdfast_module(detect WITH alarm SIMULATES DEPENDS tcp model net)
holdfast_module(http_client WITH alarm DEPENDS text LIBRARIES CURL::libcurl)
holdfast_module(trend WITH alarm DEPENDS model net text base)
holdfast_module(config WITH daemon COLD DEPENDS server device tls options model net text base
                LIBRARIES tomlplusplus::tomlplusplus)
holdfast_module(fleet COLD DEPENDS server forward sink spool codec model net text base)
holdfast_module(forward WITH fleet ALONE message.cc DEPENDS spool codec net text base
                LIBRARIES PkgConfig::nats simdjson::simdjson)
holdfast_module(spool HOT DEPENDS codec text base LIBRARIES PkgConfig::sqlite PkgConfig::zlib)
holdfast_module(sink WITH spool HOT DEPENDS spool codec model base)
if(HOLDFAST_TESTS)
  # The longest: it starts first, in four parts side by side.
  foreach(part RANGE 1 3)
    add_test(NAME spool_test_${part} COMMAND spool_test)
    set_tests_properties(spool_test_${part} PROPERTIES TIMEOUT 900 COST 1000
                         ENVIRONMENT "GTEST_TOTAL_SHARDS=4;GTEST_SHARD_INDEX=${part}")
  endforeach()
  set_tests_properties(spool_test PROPERTIES COST 1000 ENVIRONMENT "GTEST_TOTAL_SHARDS=4;GTEST_SHARD_INDEX=0")
endif()

add_executable(holdfast_command src/cli/main/main.cc)
target_link_libraries(holdfast_command PRIVATE holdfast_cli holdfast_flags)
if(HOLDFAST_LTO)
  target_link_options(holdfast_command PRIVATE -flto=auto -O2)
endif()
set_target_properties(holdfast_command PROPERTIES OUTPUT_NAME holdfast RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR})
if(HOLDFAST_INSTALL)
  install(TARGETS holdfast_command RUNTIME COMPONENT holdfast)
endif()

# holdfast::gateway: the daemon's parts around a server of a program's own (include/holdfast/gateway.h).
foreach(module embed daemon config api http_server alarm watch detect http_client trend fleet forward spool sink)
  holdfast_objects_of(${module} target)
  list(APPEND holdfast_gateway_objects $<TARGET_OBJECTS:${target}>)
endforeach()
list(REMOVE_DUPLICATES holdfast_gateway_objects)
add_library(holdfast_gateway STATIC ${holdfast_gateway_objects})
set_target_properties(holdfast_gateway PROPERTIES LINKER_LANGUAGE CXX EXPORT_NAME gateway)
target_link_libraries(holdfast_gateway PUBLIC holdfast spdlog::spdlog tomlplusplus::tomlplusplus CURL::libcurl PkgConfig::nats PkgConfig::capng PkgConfig::sqlite
                                              PkgConfig::zlib)
holdfast_keep_machine_code(holdfast_gateway)
add_executable(gateway_with_dashboard EXCLUDE_FROM_ALL examples/gateway_with_dashboard.cc)
target_link_libraries(gateway_with_dashboard PRIVATE holdfast_gateway holdfast_flags)

# The command with defects that the tests must find (src/base/plant.h): these files are compiled again and take the place of
# those in the libraries. Built by the tests that run it, and never installed.
get_target_property(spool_sources holdfast_spool SOURCES)
add_library(holdfast_planted_spool OBJECT EXCLUDE_FROM_ALL ${spool_sources})
target_link_libraries(holdfast_planted_spool PRIVATE holdfast_codec PkgConfig::sqlite PkgConfig::zlib)
add_executable(holdfast_planted EXCLUDE_FROM_ALL src/cli/main/main.cc src/cli/consumer.cc src/forward/message.cc)
foreach(planted holdfast_planted holdfast_planted_spool)
  target_compile_definitions(${planted} PRIVATE HOLDFAST_PLANT)
  set_target_properties(${planted} PROPERTIES UNITY_BUILD ${HOLDFAST_UNITY} UNITY_BUILD_BATCH_SIZE 0)
  target_link_libraries(${planted} PRIVATE holdfast_flags)
endforeach()
target_sources(holdfast_planted PRIVATE $<TARGET_OBJECTS:holdfast_planted_spool>)
target_link_libraries(holdfast_planted PRIVATE holdfast_cli)

# Judges states of a spool's files (tests/power). Built by the tests that run it, and never installed.
add_executable(power_check EXCLUDE_FROM_ALL tests/power/power_check.cc)
target_link_libraries(power_check PRIVATE holdfast_spool holdfast_flags)
holdfast_link_fast(holdfast_planted power_check)
set_target_properties(power_check PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR})
if(HOLDFAST_INSTALL)
  include(cmake/deploy.cmake)
  include(cmake/package.cmake)
endif()
