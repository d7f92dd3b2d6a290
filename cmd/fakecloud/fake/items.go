package fake

import (
	"encoding/json"
	"net/http"
	"net/url"

	"nearside/cmd/fakecloud/fake/chat"
)

const itemsPath = "/v2/items"

// items is a small JSON API that is no model: how many of an article there
// are. It takes {"article":"..."} by POST, or ?article=... by GET.
func (s *Server) items(c *call, in incoming) error {
	var q struct {
		Article string `json:"article"`
	}
	if in.r.Method == http.MethodGet {
		query, err := url.ParseQuery(in.r.URL.RawQuery)
		if err != nil {
			return c.refuse(chat.Rejected(http.StatusBadRequest, "", "The query cannot be read."))
		}
		q.Article = query.Get("article")
	} else if json.Unmarshal(in.body, &q) != nil {
		return c.refuse(chat.Rejected(http.StatusBadRequest, "", "The body is not a JSON object."))
	}
	switch q.Article {
	case "":
		return c.refuse(chat.Rejected(http.StatusUnprocessableEntity, "no_article", "article is missing."))
	case "unicorn":
		return c.refuse(chat.Rejected(http.StatusNotFound, "no_such_article", "There is no unicorn."))
	}
	if err := c.pause(s.opts.FirstByte); err != nil {
		return err
	}
	answer := map[string]any{"article": q.Article, "stock": len(q.Article) * 7, "from": s.opts.Name}
	switch c.fault.Kind {
	case Empty:
		answer = map[string]any{}
	case Misshapen:
		answer["stock"] = "plenty"
	}
	return c.json(answer)
}
