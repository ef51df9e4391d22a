// Package deploy has no code. Its tests check the files in this directory: that the
// image can be built from what is there, that the compose file names real settings
// and real files, and that HAProxy does with haproxy.cfg what the file says.
package deploy
