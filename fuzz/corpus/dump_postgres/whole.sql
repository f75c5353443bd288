--
-- PostgreSQL database dump
--

\restrict abcDEF123

SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);

--
-- Name: we"ird;db; Type: TABLE; Schema: public; Owner: a
--

CREATE TABLE public."we""ird;t" (a integer DEFAULT 3, b text DEFAULT 'it''s; \');

--
-- Name: f(); Type: FUNCTION; Schema: public; Owner: a
--

CREATE FUNCTION public.f() RETURNS void LANGUAGE plpgsql AS $_$
begin
  -- Name: no; Type: TABLE; Schema: x
  execute 'COPY x FROM stdin;'; perform '\! touch x';
end $_$;

CREATE FUNCTION public.g() RETURNS integer BEGIN ATOMIC SELECT CASE WHEN true THEN 1 END; SELECT 2; END;
CREATE RULE r AS ON INSERT TO public.x DO ALSO (SELECT 1; SELECT 2);
/* a comment; */
COPY public."we""ird;t" (a, "FROM stdin", b) FROM stdin;
1	two\nlines
2	\\.
\N	\\! touch x
\.

COPY public.empty (a) FROM stdin;
\.

SELECT pg_catalog.lo_open('1', 131072);
/* a /* nested; */ comment; */
SELECT E'a\'; COPY b FROM stdin;';

--
-- PostgreSQL database dump complete
--

\unrestrict abcDEF123

