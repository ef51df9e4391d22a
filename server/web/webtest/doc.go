// Package webtest drives the gateway's page in a real Chromium, for tests.
//
// [NewBrowser] starts a browser, [Browser.Open] loads a page into a profile of
// its own, and [Page] clicks, types and reads as a user does. [Run] is a suite:
// it takes any [Gateway], that is an address and the hooks by which a test
// looks at the server's side and makes it misbehave.
//
// Nothing here sleeps until something should have happened: conditions are
// polled, and delays of the page are checked on a [Clock] that the test moves.
package webtest
