find_package(PkgConfig REQUIRED)
find_package(tomlplusplus REQUIRED)
find_package(CLI11 REQUIRED)
find_package(spdlog REQUIRED)
find_package(CURL REQUIRED)
find_package(Boost 1.81 REQUIRED)  # headers only: Asio and Beast
pkg_check_modules(nats REQUIRED IMPORTED_TARGET libnats)
pkg_check_modules(ncurses REQUIRED ncursesw)  # its flags ask for what g++ and clang++ define anyway, and differently
pkg_check_modules(sqlite REQUIRED IMPORTED_TARGET sqlite3)
pkg_check_modules(zlib REQUIRED IMPORTED_TARGET zlib)

# Files that holdfast_planted replaces, which takes an object file for each.
set(planted_app consumer.cc)
set(planted_nats message.cc)
set(planted_spool reader.cc spool.cc writer.cc)

holdfast_module(spool ALONE ${planted_spool} DEPENDS codec base LIBRARIES PkgConfig::sqlite PkgConfig::zlib)
holdfast_module(sink HOT DEPENDS spool codec base)
holdfast_module(nats ALONE ${planted_nats} DEPENDS spool codec base LIBRARIES PkgConfig::nats simdjson::simdjson)
holdfast_module(fleet DEPENDS nats spool server codec base)
holdfast_module(config DEPENDS server tokens tls options base LIBRARIES tomlplusplus::tomlplusplus)
holdfast_module(http DEPENDS base LIBRARIES CURL::libcurl)
holdfast_module(trend DEPENDS server base)
holdfast_module(detect SIMULATES DEPENDS server tcp base)
holdfast_module(alarm SIMULATES DEPENDS detect http server base)
holdfast_module(watch DEPENDS alarm detect trend server tcp base)
holdfast_module(http_server ALONE asio.cc DEPENDS tls tcp base LIBRARIES OpenSSL::Crypto Boost::headers)
# Compiled once, in asio.cc. No other module includes Boost.
target_compile_definitions(holdfast_http_server PRIVATE BOOST_ASIO_SEPARATE_COMPILATION BOOST_BEAST_SEPARATE_COMPILATION
                                                        BOOST_ASIO_NO_DEPRECATED)
holdfast_module(admin ALONE api_devices.cc api_drain.cc api_fleet.cc api_spool.cc api_watch.cc metrics.cc render_status.cc
                DEPENDS http_server nats sink spool watch alarm trend server codec tls base LIBRARIES simdjson::simdjson)
include(cmake/dashboard.cmake)
holdfast_module(load DEPENDS codec reactor tls tcp base)
holdfast_module(doctor DEPENDS server tcp base)
holdfast_module(app ALONE ${planted_app} DEPENDS tokens admin watch alarm trend config fleet nats sink spool load doctor server http
                LIBRARIES CLI11::CLI11 spdlog::spdlog ${ncurses_LINK_LIBRARIES} simdjson::simdjson)

add_executable(holdfast_command src/app/main/main.cc)
target_link_libraries(holdfast_command PRIVATE holdfast_app holdfast_flags)
if(HOLDFAST_LTO)
  target_link_options(holdfast_command PRIVATE -flto=auto -O2)
endif()
set_target_properties(holdfast_command PROPERTIES OUTPUT_NAME holdfast RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR})
install(TARGETS holdfast_command RUNTIME COMPONENT holdfast)

# The command with defects that the tests must find (src/base/plant.h): these files are compiled again and take the place of
# those in the libraries. Built by the tests that run it, and never installed.
add_executable(holdfast_planted EXCLUDE_FROM_ALL src/app/main/main.cc)
foreach(module app nats spool)
  foreach(file IN LISTS planted_${module})
    target_sources(holdfast_planted PRIVATE src/${module}/${file})
  endforeach()
endforeach()
target_compile_definitions(holdfast_planted PRIVATE HOLDFAST_PLANT)
target_link_libraries(holdfast_planted PRIVATE holdfast_app holdfast_flags)

# Judges states of a spool's files (tests/power). Built by the tests that run it, and never installed.
add_executable(power_check EXCLUDE_FROM_ALL tests/power/power_check.cc)
target_link_libraries(power_check PRIVATE holdfast_spool holdfast_flags)
set_target_properties(power_check PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR})
include(cmake/deploy.cmake)
include(cmake/package.cmake)
