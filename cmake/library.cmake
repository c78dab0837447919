# libholdfast: the modules in one archive, the public headers, find_package(holdfast) and pkg-config.
include(CMakePackageConfigHelpers)

add_library(holdfast STATIC)
foreach(module base tcp reactor tls conn codec tokens server)
  target_sources(holdfast PRIVATE $<TARGET_OBJECTS:holdfast_${module}>)
endforeach()
set_target_properties(holdfast PROPERTIES LINKER_LANGUAGE CXX)
target_compile_features(holdfast PUBLIC cxx_std_20)
target_include_directories(holdfast PUBLIC $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>
                                           $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
target_link_libraries(holdfast PUBLIC Threads::Threads simdjson::simdjson OpenSSL::SSL)

install(DIRECTORY include/holdfast DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(TARGETS holdfast EXPORT holdfast ARCHIVE)
install(EXPORT holdfast NAMESPACE holdfast:: FILE holdfast-targets.cmake DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/holdfast)
write_basic_package_version_file(${PROJECT_BINARY_DIR}/holdfast-config-version.cmake COMPATIBILITY SameMinorVersion)
configure_package_config_file(cmake/holdfast-config.cmake.in ${PROJECT_BINARY_DIR}/holdfast-config.cmake
                              INSTALL_DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/holdfast)
# Relative, so that the installed tree can be moved.
file(RELATIVE_PATH holdfast_prefix_from_pc /prefix/${CMAKE_INSTALL_LIBDIR}/pkgconfig /prefix)
configure_file(cmake/holdfast.pc.in ${PROJECT_BINARY_DIR}/holdfast.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/holdfast-config.cmake ${PROJECT_BINARY_DIR}/holdfast-config-version.cmake
        DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/holdfast)
install(FILES ${PROJECT_BINARY_DIR}/holdfast.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
