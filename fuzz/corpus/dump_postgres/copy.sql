COPY public."t;" (a, b) FROM stdin;
\N	1
\\.	b

2	\N
\.
\restrict abc
SELECT pg_catalog.set_config('search_path', '', false);
