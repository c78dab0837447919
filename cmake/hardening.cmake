# Makes memory bugs harder to exploit where the cost is low. docs/explanation/security.md has the table;
# test_hardening.py reads the ELF files. Not with sanitizers, which detect more and exclude _FORTIFY_SOURCE.
option(HOLDFAST_HARDEN "Harden the binaries: RELRO, PIE, stack protector, FORTIFY, CET" OFF)

include(CheckPIESupported)
check_pie_supported()

if(HOLDFAST_HARDEN)
  include(CheckCXXCompilerFlag)
  set(holdfast_hardening -fstack-protector-strong -fstack-clash-protection)
  check_cxx_compiler_flag(-fcf-protection=full HOLDFAST_HAS_CET)
  if(HOLDFAST_HAS_CET)
    list(APPEND holdfast_hardening -fcf-protection=full)
  endif()
  # Level 3 since GCC 12 and clang 9 with glibc 2.34; an older glibc treats it as 2.
  add_compile_options(${holdfast_hardening} -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3)
  add_compile_definitions(_GLIBCXX_ASSERTIONS)
  # The flags of code generation again: link-time optimisation compiles at the link.
  add_link_options(${holdfast_hardening} -Wl,-z,relro,-z,now -Wl,-z,noexecstack)
endif()
