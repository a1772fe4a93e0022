#!/bin/sh
# Load a regression file's documents: test/load/mongodb.sh NAME drops the database t_NAME of the server at
# MONGODB_URI and fills it with test/data/NAME.tsv.
set -eu
cd "$(dirname "$0")"
make -s build/mongo_load
build/mongo_load --command "t_$1" '{"dropDatabase": 1}' >/dev/null
build/mongo_load --load <"../data/$1.tsv" 2>/dev/null
