--
-- a 'comment'
--x'
# another "one"
/* a ; comment */ SELECT 1 /* 'x */ + 2;
/*!40101 SET @OLD_SQL_MODE=@@SQL_MODE, SQL_MODE='NO_AUTO_VALUE_ON_ZERO' */;
/*M!999999\- enable the sandbox mode */
