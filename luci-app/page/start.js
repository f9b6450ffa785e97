/* last, so that what an app adds is there */
start();
