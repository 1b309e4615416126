-- Whether others than the person stand in the same role of the event, such as the consignees of a parcel.
ALTER TABLE tag_sets $on_cluster ADD COLUMN IF NOT EXISTS several Bool DEFAULT false;
