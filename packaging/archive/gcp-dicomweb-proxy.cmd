@echo off
rem Starts the program with the Node.js beside it.
"%~dp0bin\node.exe" @FLAGS@ "%~dp0dist\main.js" %*
exit /b %ERRORLEVEL%
