-- v_audit: who asked what about whom, each question once; tokens in hex. `subjects` empty: nobody was found, or nobody was
-- asked about. Rows go after three years.
CREATE OR REPLACE VIEW v_audit $on_cluster AS
SELECT
    at, caller, client, action, kinds, identifiers, arrayMap(t -> lower(hex(t)), subjects) AS subjects, key_id, request_id,
    purpose, resolution, size, status, milliseconds
FROM audit_log FINAL;
