SET standard_conforming_strings = off;
SELECT 'a\'b', E'\\', U&'d\0061t', $$;$$, "we""ird;t", x$a$, 'it''s';
SET standard_conforming_strings = on;
SELECT '\', -1--2
;
/* a /* nested; */ comment; */
