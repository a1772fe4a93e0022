-- Away with what batch_tables.sql made.
\! test/load/redis.sh redis_batch_join drop
\! python3 test/load/neo4j.py -c 'MATCH (n:TBatch) DETACH DELETE n'
\! test/load/build/mongo_load --drop t_batch_join.docs >/dev/null
DROP SCHEMA t_batch_join CASCADE;
DROP SERVER t_batch_redis, t_batch_influx, t_batch_mongo, t_batch_neo4j CASCADE;
