-- What searches look in, apart from what every navigation changes. The index of searches was on presence: as its rows are
-- never HOT when a screen changes, each navigation put some fifty trigrams of a name that had stayed the same into it anew,
-- three times the cost of all the rest.
--
-- Only a table, which no release before reads or writes. Rows are in it where there is an index of searches: triggers on
-- presence keep them then, whatever the release of the processor that writes presence or removes a user. They and the
-- index are made by `rollcall migrate` after the migrations, because not every server has what they need
-- (schemas/database/search_index.py). It drops the index on presence then. No release has that one: 0.1.0 has no searches,
-- and an API that was built since asks whether it is there with each search, and reads user by user without it.
CREATE TABLE search_texts (
    user_id text COLLATE "C" PRIMARY KEY,
    name    text
);
REVOKE ALL ON search_texts FROM PUBLIC;
