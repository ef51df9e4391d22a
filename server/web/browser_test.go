package web_test

import (
	"testing"

	"carillon/server/web/webtest"
)

// TestPage drives the page in a real browser against a gateway that misbehaves
// on command.
func TestPage(t *testing.T) {
	webtest.Run(t, newGateway)
}
