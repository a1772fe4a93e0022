# CipherHorizon: PGXS build.  `make demo` runs the main job, `make test` the
# tests; both install what they need.  See README.md.

.DEFAULT_GOAL := all

PG_CONFIG ?= pg_config
PKG_CONFIG ?= pkg-config

MODULE_big = cipherhorizon
EXTENSION = cipherhorizon
EXTVERSION = 1.0
DATA_built = extension/cipherhorizon--$(EXTVERSION).sql

SOURCES = $(wildcard extension/*.c extension/cdc/*.c fdw/*.c fdw/core/*.c \
            fdw/influxdb/*.c fdw/mongodb/*.c fdw/redis/*.c fdw/neo4j/*.c)
OWN_HEADERS = $(wildcard extension/*.h extension/cdc/*.h fdw/core/*.h \
            fdw/influxdb/*.h fdw/mongodb/*.h fdw/redis/*.h fdw/neo4j/*.h)
OBJS = $(SOURCES:.c=.o)

REGRESS = $(patsubst sql/%.sql,%,$(sort $(wildcard sql/*.sql)))
REGRESS_OPTS = --inputdir=. --load-extension=cipherhorizon
override CONTRIB_TESTDB = cipherhorizon_regress

EXTRA_CLEAN = extension/cipherhorizon--$(EXTVERSION).sql results regression.diffs regression.out

# Goals that work before the libraries are there, because they install them.
BOOTSTRAP_GOALS = demo demo-stop test matrix sanitize bench
.PHONY: $(BOOTSTRAP_GOALS)

# From nothing to the printed answer of a query on five stores, and an event in Kafka.
# PostgreSQL starts without the module and then with it: a running one would keep an older build.
demo:
	@test/packages.sh
	@PG_PRELOAD= docker/native/stores.sh start
	@test/build.sh
	@PG_PRELOAD=cipherhorizon docker/native/stores.sh start postgres
	@docker/demo/demo.sh

demo-stop:
	@docker/native/stores.sh stop

# Every test, on real stores; the last line says how many passed and failed.
test:
	@test/run.sh

# Builds with gcc and clang against PostgreSQL 17 and 18 in folders of their own.
matrix:
	@test/matrix.sh

# The regression files under AddressSanitizer.
sanitize:
	@test/sanitize.sh

# Ratios against the bare client libraries, one after the other.
bench:
	@bench/run.sh

GOALS = $(or $(MAKECMDGOALS),all)

ifneq ($(filter-out $(BOOTSTRAP_GOALS),$(GOALS)),)

# name for pkg-config : Debian's package; libmongoc 2 has another name than 1
define need
$(if $(shell $(PKG_CONFIG) --exists $(1) && echo yes),,$(error $(1) was not found by $(PKG_CONFIG): on Debian it is in the package $(2)))
endef
MONGOC = $(firstword $(foreach m,libmongoc-1.0 mongoc2,$(shell $(PKG_CONFIG) --exists $(m) && echo $(m))))
ifneq ($(MAKECMDGOALS),clean)
$(if $(MONGOC),,$(error libmongoc was not found by $(PKG_CONFIG): on Debian it is in the package libmongoc-dev))
$(call need,hiredis,libhiredis-dev)
$(call need,libcurl,libcurl4-openssl-dev)
$(call need,jansson,libjansson-dev)
$(call need,rdkafka,librdkafka-dev)
$(call need,openssl,libssl-dev)
$(call need,zlib,zlib1g-dev)
endif

LIBRARIES = $(MONGOC) hiredis libcurl jansson rdkafka openssl zlib
# Their headers are not ours to mend: -isystem keeps -Werror for our own code.
PG_CPPFLAGS = -I$(CURDIR) $(patsubst -I%,-isystem %,$(shell $(PKG_CONFIG) --cflags $(LIBRARIES)))
# PostgreSQL's headers have parameters that they do not use; its own
# -Wdeclaration-after-statement is older than the C that we write.
PG_CFLAGS = -Wall -Wextra -Werror -Wno-unused-parameter -Wno-sign-compare \
            -Wno-missing-field-initializers -Wno-declaration-after-statement $(CLANG_FLAGS)
# PostgreSQL was built by gcc, and clang does not know all of its flags.
CLANG_FLAGS = $(if $(findstring clang,$(CC)),-Wno-unknown-warning-option -Wno-ignored-optimization-argument -Wno-ignored-attributes)
SHLIB_LINK = $(shell $(PKG_CONFIG) --libs $(LIBRARIES))

# Bitcode for JIT inlining would only double the build: nothing here is inlined.
override with_llvm = no

PGXS := $(shell $(PG_CONFIG) --pgxs)
ifeq ($(PGXS),)
$(error $(PG_CONFIG) was not found: on Debian it is in the package postgresql-server-dev-NN)
endif
include $(PGXS)

# Expected plans must not depend on how fast the machine's stores are.
installcheck: export PGOPTIONS = -c cipherhorizon.learn_costs=off

$(OBJS): $(OWN_HEADERS) Makefile

extension/cipherhorizon--$(EXTVERSION).sql: $(sort $(wildcard extension/sql/*.sql))
	@{ printf '%s\n' '\echo Use "CREATE EXTENSION cipherhorizon" to load this file. \quit'; cat $^; } >$@.tmp && mv $@.tmp $@

endif
