/*!50003 SET sql_mode = 'ANSI,NO_BACKSLASH_ESCAPES' */ ;
DELIMITER ;;
/*!50003 CREATE*/ /*!50017 DEFINER=`root`@`localhost`*/ /*!50003 TRIGGER tr BEFORE INSERT ON t FOR EACH ROW
begin -- it's
select '\', 1--2, 3 - -4; # it's
end */;;
DELIMITER ;
/*!50003 SET sql_mode = @saved_sql_mode */ ;
