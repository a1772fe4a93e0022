# shellcheck shell=bash
# Sourced: a private copy of PostgreSQL's programs, so that a special build of
# the extension never meets the installed one.
#   copy_postgres TARGET    sets PG_CONFIG to the copy's
# PostgreSQL finds its folders relative to its programs, so that a tree with
# the same shape below another root works as it is.
copy_postgres() {
  local target=$1 from=${PG_CONFIG:-pg_config} folder
  from=$("$from" --bindir)/pg_config
  for folder in "$("$from" --bindir)" "$("$from" --pkglibdir)" "$("$from" --sharedir)" "$("$from" --includedir-server)"; do
    mkdir -p "$target$folder"
    cp -a "$folder/." "$target$folder/"
  done
  PG_CONFIG=$target$("$from" --bindir)/pg_config
  export PG_CONFIG
}

# copy_source TARGET      the tracked files of the working tree
copy_source() {
  mkdir -p "$1"
  git ls-files -z | xargs -0 tar cf - | tar xf - -C "$1"
}
