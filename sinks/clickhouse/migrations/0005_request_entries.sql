-- Two processes may write the same sequence number of a request at once. Both rows stay, and of them the one that the
-- table took first stands, for ever: block numbers are given in the order of commits and go with the rows through merges.
ALTER TABLE request_events $on_cluster
    ADD COLUMN IF NOT EXISTS entry String COMMENT 'Which attempt to write it was',
    MODIFY ORDER BY (request_id, sequence, entry);

ALTER TABLE request_events $on_cluster MODIFY SETTING enable_block_number_column = 1;
