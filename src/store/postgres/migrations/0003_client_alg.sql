-- How the client's tokens are signed: "ES256", "RS256", "EdDSA"; empty: as the setting tokens.alg says.
ALTER TABLE clients ADD COLUMN alg TEXT COLLATE "C" NOT NULL DEFAULT '';
