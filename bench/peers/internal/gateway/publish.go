package gateway

import (
	"encoding/json"
	"net/http"
)

// maxBody is the size of the largest request: JSON may need six bytes for one.
const maxBody = 6*MaxMessage + 1024

// Publish adds the requests that push to all and to one user.
func Publish(mux *http.ServeMux, all func(message string), one func(user, message string)) {
	mux.HandleFunc("POST /websocket/broadcast", func(w http.ResponseWriter, r *http.Request) {
		if message, ok := messageOf(w, r); ok {
			all(message)
		}
	})
	mux.HandleFunc("POST /websocket/send/user/{id}", func(w http.ResponseWriter, r *http.Request) {
		if message, ok := messageOf(w, r); ok {
			one(r.PathValue("id"), message)
		}
	})
}

// messageOf returns the message of a request, or answers it with 400.
func messageOf(w http.ResponseWriter, r *http.Request) (message string, ok bool) {
	var body struct {
		Message *string `json:"message"`
	}
	err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody)).Decode(&body)
	if err != nil || body.Message == nil {
		http.Error(w, `want {"message":"text"}`, http.StatusBadRequest)
		return "", false
	}
	return *body.Message, true
}
