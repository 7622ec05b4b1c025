-- Whether a charge is told yet: without reading a year of samples for each line of the station's book.
CREATE INDEX ended_facts ON facts (transaction_id) WHERE kind = 'ended';
