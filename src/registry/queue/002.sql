-- Whose key signed it. Of what waits already that is not known: it counts as the node's own.
ALTER TABLE queued ADD COLUMN signer BLOB NOT NULL DEFAULT x'0000000000000000' CHECK (length(signer) = 8);

UPDATE queued SET signer = node;
