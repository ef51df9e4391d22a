// Package deploy has no code. Its tests check the files in this directory: that the
// image can be built from what is there, that the compose file, the unit of systemd
// and the manifest of Kubernetes name real settings, that HAProxy does with
// haproxy.cfg what the file says, and that alerts and dashboard ask for metrics that
// a gateway exports.
package deploy
