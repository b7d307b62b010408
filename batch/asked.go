package batch

import (
	"context"

	"github.com/caudal/caudal/internal/lake"
)

// asked reads who asks for a batch, before a run begins. Nothing rests on it: a run that cannot read it answers nobody.
func (r *Runner) asked(ctx context.Context) []lake.BatchAsk {
	asked, err := r.cfg.Lake.BatchAsked(ctx)
	if err != nil {
		r.cfg.Logger.Warn("who asks for a batch is not known", "error", err)
	}
	return asked
}

// answer takes back the wishes that a run has answered: those for the views that it published, and once it has published all of the
// project's, all of them.
func (r *Runner) answer(ctx context.Context, asked []lake.BatchAsk, jobs []*job) {
	published := map[string]bool{}
	for _, j := range jobs {
		published[j.view.Name] = j.err == nil
	}
	all := true
	for _, v := range r.cfg.Project.Views {
		all = all && published[v.Name]
	}
	var answered []lake.BatchAsk
	for _, a := range asked {
		if all || published[a.View] {
			answered = append(answered, a)
		}
	}
	if len(answered) == 0 {
		return
	}
	ctx, cancel := finishing(ctx)
	defer cancel()
	if err := r.cfg.Lake.AnswerBatch(ctx, answered); err != nil {
		r.cfg.Logger.Warn("a wish for a batch stands though it was answered", "error", err)
	}
}
