-- How soon the engine looks for parts that it may remove from the disk, where nothing else happens: seconds. It would come
-- to be five minutes, and a certificate of erasure waits for it.
ALTER TABLE lineage $on_cluster MODIFY SETTING max_cleanup_delay_period = 60;
ALTER TABLE lineage_by_event $on_cluster MODIFY SETTING max_cleanup_delay_period = 60;
ALTER TABLE identity_claims $on_cluster MODIFY SETTING max_cleanup_delay_period = 60;
ALTER TABLE findings $on_cluster MODIFY SETTING max_cleanup_delay_period = 60;
ALTER TABLE address_prefixes $on_cluster MODIFY SETTING max_cleanup_delay_period = 60;
ALTER TABLE sealed_identifiers $on_cluster MODIFY SETTING max_cleanup_delay_period = 60;
