package serving

import (
	"embed"
	"io/fs"
	"net/http"
)

// The page: plain files, no build step and nothing from elsewhere. docs/page.md says what is where.
//
//go:embed page
var pageFiles embed.FS

// mountPage adds the page's files to a mux, each by its own path, so that what is no file is unknown and what is another route keeps its methods.
func mountPage(mux *http.ServeMux) {
	files, err := fs.Sub(pageFiles, "page")
	if err != nil {
		panic("BUG: the page is not embedded: " + err.Error())
	}
	server := http.FileServerFS(files)
	serve := func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-cache")
		server.ServeHTTP(w, r)
	}
	mux.HandleFunc("GET /{$}", serve)
	err = fs.WalkDir(files, ".", func(name string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			mux.HandleFunc("GET /"+name, serve)
		}
		return err
	})
	if err != nil {
		panic("BUG: the page cannot be listed: " + err.Error())
	}
}
