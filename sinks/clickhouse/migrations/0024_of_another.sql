-- Whether a row is of a person whom somebody else's event names, such as the other end of a call: the clocks of its owner
-- say when it goes, and not the person's.
ALTER TABLE tag_sets $on_cluster ADD COLUMN IF NOT EXISTS of_another Bool DEFAULT false;
