-- Who a customer is to the bank, as an integrator says; empty where it does not. Personal data.
ALTER TABLE visits ADD COLUMN customer_ref TEXT NOT NULL DEFAULT '';

-- Liveness checks of a person in the last 24 hours: as many slots as a day allows, each good for
-- one check a day, so that two requests at one time cannot take the same. The person's reference
-- is not needed here, its SHA-256 is enough.
CREATE TABLE liveness_checks (
    person_sha256 TEXT   NOT NULL,
    slot          BIGINT NOT NULL,
    at            BIGINT NOT NULL,
    PRIMARY KEY (person_sha256, slot)
);

CREATE INDEX liveness_checks_by_at ON liveness_checks (at);
