-- How a question ended that nothing came of: nobody decided, or what was approved was not the plan any more.

ALTER TABLE release_approvals
ADD COLUMN closed_as TEXT CHECK (closed_as IN ('outdated', 'timed out', 'cancelled', 'crashed'));
