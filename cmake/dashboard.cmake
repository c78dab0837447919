# The dashboard becomes part of the program: its own files, and the chart library from Debian's libjs-dygraphs.
find_path(DYGRAPHS_DIR dygraph.min.js PATHS /usr/share/javascript/dygraphs)
if(NOT DYGRAPHS_DIR)
  message(FATAL_ERROR "dygraph.min.js is missing: apt-get install libjs-dygraphs (script/install-deps does it), "
                      "or name its folder in DYGRAPHS_DIR")
endif()

set(dashboard_dir ${PROJECT_SOURCE_DIR}/src/api/dashboard)
file(GLOB dashboard_files CONFIGURE_DEPENDS ${dashboard_dir}/*.js ${dashboard_dir}/*.css ${dashboard_dir}/*.svg)
set(embedded_pairs "/=${dashboard_dir}/index.html"
    "/dashboard/dygraph.js=${DYGRAPHS_DIR}/dygraph.min.js" "/dashboard/dygraph.css=${DYGRAPHS_DIR}/dygraph.min.css")
foreach(file IN LISTS dashboard_files)
  get_filename_component(name ${file} NAME)
  list(APPEND embedded_pairs "/dashboard/${name}=${file}")
endforeach()

include(cmake/embed.cmake)
set(embedded ${PROJECT_BINARY_DIR}/generated/dashboard_embedded.cc)
holdfast_embed(${embedded} ${embedded_pairs})
target_sources(holdfast_api PRIVATE ${dashboard_dir}/assets.cc ${embedded})
if(HOLDFAST_TESTS)
  target_sources(api_test PRIVATE ${dashboard_dir}/assets_test.cc)
endif()
