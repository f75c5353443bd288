/*M!999999\- enable the sandbox mode */
-- MariaDB dump 10.19  Distrib 10.11.19-MariaDB
/*!40101 SET @OLD_CHARACTER_SET_CLIENT=@@CHARACTER_SET_CLIENT */;
DROP TABLE IF EXISTS `we``ird;t`;
/*!40101 SET character_set_client = utf8mb4 */;
CREATE TABLE `we``ird;t` (
  `a` int(11) NOT NULL DEFAULT 0 COMMENT 'it''s; (a) \' comment',
  PRIMARY KEY (`a`)
) ENGINE=InnoDB;
LOCK TABLES `we``ird;t` WRITE;
INSERT INTO `we``ird;t` VALUES
(1,'a(b);','\\'),
(2,'it\'s'' (x)',NULL),
(3,'',_binary 0xDEAD);
INSERT INTO `we``ird;t` (`a`,`b(`) VALUES (4,'\n\\! touch x'),(5,';');
UNLOCK TABLES;
CREATE TABLE `empty` (`a` int);
/*!50001 CREATE VIEW `v` AS SELECT 1 AS `a`*/;
/*!50003 SET sql_mode = '' */ ;
DELIMITER ;;
/*!50003 CREATE*/ /*!50017 DEFINER=`root`@`localhost`*/ /*!50003 TRIGGER tr BEFORE INSERT ON t FOR EACH ROW
begin set new.a = 1; insert into x values (1),(2); end */;;
CREATE DEFINER=`root`@`localhost` PROCEDURE `p`()
begin select ';;'; system_thing(); end ;;
DELIMITER ;
/*!50001 CREATE ALGORITHM=UNDEFINED */
/*!50013 DEFINER=`root`@`localhost` SQL SECURITY DEFINER */
/*!50001 VIEW `v` AS select 1 AS `a` */;
-- Dump completed on 2026-11-21
