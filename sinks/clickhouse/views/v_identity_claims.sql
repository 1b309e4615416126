-- v_identity_claims: what events say of who an identifier belonged to, each claim once; tokens in hex, empty for none.
CREATE OR REPLACE VIEW v_identity_claims $on_cluster AS
WITH toFixedString('', 16) AS nothing
SELECT
    form, mark, if(token = nothing, '', lower(hex(token))) AS token, length, port_from, port_to,
    if(subject = nothing, '', lower(hex(subject))) AS subject, if(group = nothing, '', lower(hex(group))) AS group,
    if(line = nothing, '', lower(hex(line))) AS line, if(server = nothing, '', lower(hex(server))) AS server,
    at, since, until, proof, rank, source, topic,
    c.partition % 100000 AS partition, intDiv(c.partition, 100000) AS history, offset, part, learnt_at
FROM
(
    SELECT * FROM identity_claims FINAL
    WHERE key = arrayFirst(item -> item != toFixedString('', 16), [token, subject, group, line, server])
) AS c;
