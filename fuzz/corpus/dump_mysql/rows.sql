INSERT INTO `t` VALUES (1,-2,'it\'s'' (x)',NULL,_binary 0xDEAD),
(2,-1.5e-7,'\\',';','--');
REPLACE INTO `we``ird` (`a`,`b(`) VALUES (4,'\n\\! touch x');
