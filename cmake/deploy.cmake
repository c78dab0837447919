# Installs the systemd unit with its user. share/holdfast gets the example configuration, kernel settings, log rotation,
# Prometheus rules and the Grafana dashboard.
install(CODE "
  set(bindir \"\${CMAKE_INSTALL_PREFIX}/${CMAKE_INSTALL_BINDIR}\")
  set(docdir \"\${CMAKE_INSTALL_PREFIX}/${CMAKE_INSTALL_DOCDIR}\")
  configure_file(\"${PROJECT_SOURCE_DIR}/deploy/holdfast.service.in\" \"${PROJECT_BINARY_DIR}/holdfast.service\" @ONLY)" COMPONENT holdfast)
install(FILES ${PROJECT_BINARY_DIR}/holdfast.service DESTINATION lib/systemd/system COMPONENT holdfast)
install(FILES deploy/sysusers.d/holdfast.conf DESTINATION lib/sysusers.d COMPONENT holdfast)
install(FILES deploy/holdfast.toml DESTINATION ${CMAKE_INSTALL_DATADIR}/holdfast COMPONENT holdfast)
install(DIRECTORY deploy/sysctl.d deploy/logrotate.d deploy/prometheus deploy/grafana
        DESTINATION ${CMAKE_INSTALL_DATADIR}/holdfast COMPONENT holdfast)
# The documentation, laid out as in the repository, so that relative links work in both places.
install(FILES README.md SECURITY.md LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR} COMPONENT holdfast)
install(DIRECTORY docs examples sdk DESTINATION ${CMAKE_INSTALL_DOCDIR} COMPONENT holdfast PATTERN __pycache__ EXCLUDE)
