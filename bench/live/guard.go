package live

// Guard returns fn as the body of a goroutine that closes d when it panics, so
// that the message stands on a terminal in order, not on a screen that is
// gone a moment later. The panic itself goes on.
func Guard(d Display, fn func()) func() {
	return func() {
		returned := false
		defer func() {
			if !returned {
				// The panic is the error that counts.
				_ = d.Close()
			}
		}()
		fn()
		returned = true
	}
}
