# holdfast_embed(output "/path=file"...): embeds files as a table in a program (see src/api/dashboard/assets.h). An etag is the beginning
# of the content's SHA-256. CMake embeds them when it configures, and again when a file changes. As a command of the build, the table
# would delay every module that depends on api, and those are the largest.
function(holdfast_embed output)
  set(arrays "")
  set(rows "")
  set(number 0)
  foreach(pair IN LISTS ARGN)
    string(REGEX MATCH "^([^=]+)=(.+)$" pair "${pair}")
    set(path "${CMAKE_MATCH_1}")
    set(file "${CMAKE_MATCH_2}")
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS "${file}")
    file(READ "${file}" hex HEX)
    if(hex STREQUAL "")
      message(FATAL_ERROR "${file} is empty: it cannot be embedded")
    endif()
    file(SHA256 "${file}" digest)
    string(SUBSTRING "${digest}" 0 16 tag)
    string(REGEX REPLACE "(................................................................)" "\\1\n" hex "${hex}")
    string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${hex}")
    string(APPEND arrays "constexpr unsigned char file_${number}[] = {\n${bytes}};\n")
    string(APPEND rows "    {\"${path}\", \"\\\"${tag}\\\"\", file_${number}, sizeof file_${number}},\n")
    math(EXPR number "${number} + 1")
  endforeach()
  file(CONFIGURE OUTPUT "${output}" CONTENT "#include \"api/dashboard/assets.h\"\n\nnamespace holdfast {\nnamespace {\n\n${arrays}\n\
constexpr EmbeddedFile files[] = {\n${rows}};\n\n}  // namespace\n\n\
std::span<const EmbeddedFile> embedded_files() { return files; }\n\n}  // namespace holdfast\n" @ONLY)
endfunction()
