-- By what a report names whose session it is: a session whose reports name it differently is whose they name best.
-- Claims from before have 0; what they proved tells those by the line from the others.
ALTER TABLE identity_claims $on_cluster
    ADD COLUMN IF NOT EXISTS rank UInt8 CODEC(ZSTD(1)) COMMENT '1 customer number, 2 user name, 3 access line, 4 inside address, 5 hardware address, 6 DHCP client, 0 unknown' AFTER proof;

ALTER TABLE retained_claims $on_cluster
    ADD COLUMN IF NOT EXISTS rank UInt8 CODEC(ZSTD(1)) COMMENT '1 customer number, 2 user name, 3 access line, 4 inside address, 5 hardware address, 6 DHCP client, 0 unknown' AFTER proof;
