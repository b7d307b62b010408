package serving

import (
	"embed"
	"io/fs"
	"net/http"
)

// The page: plain files, no build step. uPlot (MIT, see uPlot.LICENSE) draws the chart.
//
//go:embed page
var pageFiles embed.FS

func pageHandler() http.Handler {
	files, err := fs.Sub(pageFiles, "page")
	if err != nil {
		panic("BUG: the page is not embedded: " + err.Error())
	}
	server := http.FileServerFS(files)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name := r.URL.Path[1:]
		if name == "" {
			name = "index.html"
		}
		if info, err := fs.Stat(files, name); err != nil || info.IsDir() {
			writeProblem(w, newProblem(http.StatusNotFound, "not-found", "There is nothing here", "", "nothing is served at "+r.URL.Path, "see /v1/views"))
			return
		}
		w.Header().Set("Cache-Control", "no-cache")
		server.ServeHTTP(w, r)
	})
}
