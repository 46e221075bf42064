# SPDX-License-Identifier: Apache-2.0

# Templates and data files become C++ source at build time (codegen/embed/main.cpp).

# sinter_embed_templates(OUT file.cpp): everything under templates/.
function(sinter_embed_templates out)
  file(GLOB_RECURSE files CONFIGURE_DEPENDS RELATIVE ${PROJECT_SOURCE_DIR}/templates ${PROJECT_SOURCE_DIR}/templates/*.h)
  list(TRANSFORM files PREPEND ${PROJECT_SOURCE_DIR}/templates/ OUTPUT_VARIABLE paths)
  add_custom_command(OUTPUT ${out} VERBATIM
    COMMAND sinter-embed templates ${PROJECT_SOURCE_DIR}/templates ${out} ${files}
    DEPENDS sinter-embed ${paths} COMMENT "Embedding the kernel templates")
endfunction()

# sinter_embed_text(OUT file.cpp FUNCTION FILE): std::string_view sinter::FUNCTION().
function(sinter_embed_text out function file)
  add_custom_command(OUTPUT ${out} VERBATIM
    COMMAND sinter-embed text ${function} ${PROJECT_SOURCE_DIR}/${file} ${out}
    DEPENDS sinter-embed ${PROJECT_SOURCE_DIR}/${file} COMMENT "Embedding ${file}")
endfunction()
