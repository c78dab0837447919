# cmake -DFILES="/path=file;..." -DOUTPUT=embedded.cc -P embed.cmake: embeds files as a table in a program (see
# src/api/dashboard/assets.h). An etag is the beginning of the content's SHA-256.
set(arrays "")
set(rows "")
set(number 0)
foreach(pair IN LISTS FILES)
  string(REGEX MATCH "^([^=]+)=(.+)$" pair "${pair}")
  set(path "${CMAKE_MATCH_1}")
  set(file "${CMAKE_MATCH_2}")
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
file(WRITE "${OUTPUT}" "#include \"api/dashboard/assets.h\"\n\nnamespace holdfast {\nnamespace {\n\n${arrays}\n\
constexpr EmbeddedFile files[] = {\n${rows}};\n\n}  // namespace\n\n\
std::span<const EmbeddedFile> embedded_files() { return files; }\n\n}  // namespace holdfast\n")
