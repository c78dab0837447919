find_package(PkgConfig REQUIRED)
find_package(tomlplusplus REQUIRED)
find_package(CLI11 REQUIRED)
find_package(spdlog REQUIRED)
find_package(prometheus-cpp REQUIRED COMPONENTS core)
pkg_check_modules(httplib REQUIRED IMPORTED_TARGET cpp-httplib)

holdfast_module(sink DEPENDS codec base)
holdfast_module(config DEPENDS server base LIBRARIES tomlplusplus::tomlplusplus)
holdfast_module(watch DEPENDS server base LIBRARIES PkgConfig::httplib)
holdfast_module(admin DEPENDS watch server base LIBRARIES PkgConfig::httplib prometheus-cpp::core simdjson::simdjson)
holdfast_module(load DEPENDS codec reactor tcp base)
holdfast_module(app DEPENDS admin watch config sink load server
                LIBRARIES CLI11::CLI11 spdlog::spdlog PkgConfig::httplib simdjson::simdjson)

add_executable(holdfast_command src/app/main/main.cc)
target_link_libraries(holdfast_command PRIVATE holdfast_app holdfast_flags)
set_target_properties(holdfast_command PROPERTIES OUTPUT_NAME holdfast RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR})
install(TARGETS holdfast_command RUNTIME)
