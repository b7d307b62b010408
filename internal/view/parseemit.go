package view

import "time"

func emitKeys() []string {
	return []string{"to", "on", "grain", "dimensions", "measures", "look_back"}
}

// emit reads which rows of a view go to a topic. The view has been read but for it.
func (p *linter) emit(r *reader, n *node, v *View) {
	of := "emit of view " + v.Name
	if n == nil || !r.mapping(n, of, emitKeys()) {
		return
	}
	r.require(n, of, "to")
	e := Emit{View: v, To: r.filled(n.get("to"), "to of "+of), OnClose: true}
	if e.To != "" && !topicName.MatchString(e.To) {
		r.add(n.get("to"), quote("to", e.To)+" of "+of+" names no topic", "a topic is letters, digits, ., _ and -")
	}
	if on := n.get("on"); on != nil {
		switch text := r.filled(on, "on of "+of); text {
		case "close", "":
		case "update":
			e.OnClose, e.OnUpdate = false, true
		case "both":
			e.OnUpdate = true
		default:
			r.add(on, quote("on", text)+" of "+of+" is not known", suggest(text, []string{"close", "update", "both"}))
		}
	}
	for _, s := range p.project.Sources {
		if s.Topic == e.To {
			r.add(n.get("to"), of+" writes to the topic of source "+s.Name, "give it a topic of its own")
		}
	}
	if len(v.Grains) == 0 {
		return
	}
	e.Grain = r.grain(n.get("grain"), v, "grain of "+of)
	e.Dimensions = dimensionNames(v)
	if d := n.get("dimensions"); d != nil {
		e.Dimensions = r.chosen(d, "dimensions of "+of, "dimension", e.Dimensions)
	}
	own := v.OwnMeasures() // which rows a share is of would depend on what was looked at when it was sent
	if m := n.get("measures"); m != nil {
		e.Measures = r.chosen(m, "measures of "+of, "measure", own)
	} else if len(own) < len(v.Measures) {
		e.Measures = own
	}
	e.LookBack = r.duration(n.get("look_back"), "look_back of "+of, lookBackWindows*e.Grain.Size, time.Second)
	p.project.Emits = append(p.project.Emits, e)
}
