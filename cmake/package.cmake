# Adds the files of packages beside the command. CPack cuts the tree into Debian packages (script/package): holdfast
# (the gateway as a service), libholdfast (the shared library) and libholdfast-dev.
set(packaged ${PROJECT_BINARY_DIR}/packaged)
set(soname_version ${PROJECT_VERSION_MAJOR}.${PROJECT_VERSION_MINOR})
set(HOLDFAST_MAINTAINER "The holdfast maintainers <holdfast@localhost>" CACHE STRING "Of the packages: \"Name <address>\"")
file(MAKE_DIRECTORY ${packaged})

# The command itself prints the manual and the completions, so that they cannot be another version's.
configure_file(cmake/describe.cmake.in ${packaged}/describe.cmake @ONLY)
install(SCRIPT ${packaged}/describe.cmake COMPONENT holdfast)
install(FILES ${packaged}/holdfast.1.gz DESTINATION ${CMAKE_INSTALL_MANDIR}/man1 COMPONENT holdfast)
install(FILES ${packaged}/holdfast.toml.5.gz DESTINATION ${CMAKE_INSTALL_MANDIR}/man5 COMPONENT holdfast)
install(FILES ${packaged}/holdfast.bash DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions
        RENAME holdfast COMPONENT holdfast)
install(FILES ${packaged}/_holdfast DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/vendor-completions COMPONENT holdfast)
install(FILES ${packaged}/holdfast.fish DESTINATION ${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d COMPONENT holdfast)

# Only a package installs these; otherwise they are copied by hand (docs/tasks/deploy.md).
install(FILES deploy/holdfast.toml DESTINATION /etc/holdfast COMPONENT holdfast EXCLUDE_FROM_ALL)
install(FILES deploy/logrotate.d/holdfast DESTINATION /etc/logrotate.d COMPONENT holdfast EXCLUDE_FROM_ALL)
foreach(pair holdfast=holdfast library=libholdfast${soname_version} development=libholdfast-dev)
  string(REPLACE "=" ";" pair ${pair})
  list(GET pair 0 component)
  list(GET pair 1 package)
  install(FILES ${packaged}/copyright ${packaged}/changelog.gz DESTINATION /usr/share/doc/${package}
          COMPONENT ${component} EXCLUDE_FROM_ALL)
endforeach()

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME holdfast)
set(CPACK_PACKAGE_VENDOR holdfast)
set(CPACK_PACKAGE_DIRECTORY ${PROJECT_BINARY_DIR}/packages)
set(CPACK_PACKAGE_CONTACT "${HOLDFAST_MAINTAINER}")
set(CPACK_SET_DESTDIR ON)
set(CPACK_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_COMPONENTS_ALL holdfast library development)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_GENERATE_SHLIBS ON)
set(CPACK_DEBIAN_PACKAGE_GENERATE_SHLIBS_POLICY ">=")

set(about "The gateway knows within a promised time when any of them is gone, without
 heartbeat messages, states why, and passes on every JSON item that they send.")
set(CPACK_DEBIAN_HOLDFAST_PACKAGE_NAME holdfast)
set(CPACK_DEBIAN_HOLDFAST_PACKAGE_SECTION net)
set(CPACK_DEBIAN_HOLDFAST_PACKAGE_DEPENDS "systemd | systemd-standalone-sysusers | systemd-sysusers")
set(CPACK_DEBIAN_HOLDFAST_PACKAGE_RECOMMENDS "logrotate, ca-certificates")
set(CPACK_DEBIAN_HOLDFAST_PACKAGE_CONTROL_EXTRA ${PROJECT_SOURCE_DIR}/deploy/debian/postinst
    ${PROJECT_SOURCE_DIR}/deploy/debian/prerm ${PROJECT_SOURCE_DIR}/deploy/debian/postrm
    ${PROJECT_SOURCE_DIR}/deploy/debian/conffiles)
set(CPACK_COMPONENT_HOLDFAST_DESCRIPTION "gateway for very many long-lived TCP connections\n${about}")

set(CPACK_DEBIAN_LIBRARY_PACKAGE_NAME libholdfast${soname_version})
set(CPACK_DEBIAN_LIBRARY_PACKAGE_SECTION libs)
set(CPACK_DEBIAN_LIBRARY_PACKAGE_CONTROL_EXTRA ${PROJECT_SOURCE_DIR}/deploy/debian/triggers)
set(CPACK_COMPONENT_LIBRARY_DESCRIPTION "library for very many long-lived TCP connections\n${about}")

set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_NAME libholdfast-dev)
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_SECTION libdevel)
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_DEPENDS "libsimdjson-dev, libssl-dev")
set(CPACK_DEBIAN_ENABLE_COMPONENT_DEPENDS ON)
set(CPACK_COMPONENT_DEVELOPMENT_DEPENDS library)
set(CPACK_COMPONENT_DEVELOPMENT_DESCRIPTION "library for very many long-lived TCP connections, to build with\n${about}")
include(CPack)
