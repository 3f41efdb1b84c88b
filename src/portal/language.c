#include "portal/language.h"

struct known {
        const struct cd_texts *texts;
        size_t count;
};

/* A range of Accept-Language with its weight, in thousandths. */
struct range {
        cd_str tag;
        int weight;
};

/* The range without its last subtag, and without a single letter that then stands at its end (RFC 4647 §3.4). */
static cd_str shorten(cd_str range)
{
        size_t len = range.len;

        do {
                while (len > 0 && range.ptr[len - 1] != '-')
                        len--;
                len -= len > 0;
        } while (len > 1 && range.ptr[len - 2] == '-');
        return cd_str_slice(range, 0, len);
}

static const struct cd_texts *look_up(struct known known, cd_str range)
{
        /* No registered tag is longer, and a long one would cost a comparison for each of its subtags. */
        if (range.len > 64)
                return NULL;
        for (; range.len > 0; range = shorten(range))
                for (size_t i = 0; i < known.count; i++)
                        if (cd_str_eq_nocase(known.texts[i].tag, range))
                                return &known.texts[i];
        return NULL;
}

/* RFC 9110 §12.4.2: "0", "1", each with at most three decimals; -1: it is something else. */
static int parse_weight(cd_str text)
{
        int weight = 0, unit = 1000;

        if (text.len == 0 || text.len > 5 || text.ptr[0] < '0' || text.ptr[0] > '1')
                return -1;
        for (size_t i = 0; i < text.len; i++) {
                if (i == 1 ? text.ptr[i] != '.' : text.ptr[i] < '0' || text.ptr[i] > '9')
                        return -1;
                weight += i == 1 ? 0 : (text.ptr[i] - '0') * unit;
                unit /= i == 1 ? 1 : 10;
        }
        return weight <= 1000 ? weight : -1;
}

/* The next element of the list; weight -1: malformed. False at its end. */
static bool next_range(cd_str *rest, struct range *ret)
{
        cd_str parameters;

        if (!cd_str_take_until(rest, ',', &parameters))
                return false;
        if (!cd_str_take_until(&parameters, ';', &ret->tag))
                return false;
        ret->tag = cd_str_trim(ret->tag);
        ret->weight = 1000;
        if (parameters.ptr) {
                cd_str weight = cd_str_trim(parameters);
                bool is_weight = cd_str_eq_nocase(cd_str_slice(weight, 0, 2), CD_STR("q="));
                ret->weight = is_weight ? parse_weight(cd_str_slice(weight, 2, weight.len)) : -1;
        }
        return true;
}

/* Whether a range with the weight 0 is the tag or the start of it. */
static bool is_refused(cd_str accept, cd_str tag)
{
        struct range range;

        for (size_t i = 0; i < CD_LANGUAGE_MAX_RANGES && next_range(&accept, &range); i++) {
                size_t len = range.tag.len;
                if (range.weight == 0 && len > 0 && cd_str_eq_nocase(cd_str_slice(tag, 0, len), range.tag) &&
                    (tag.len == len || tag.ptr[len] == '-'))
                        return true;
        }
        return false;
}

/* The first that is not refused, or NULL. */
static const struct cd_texts *first_accepted(struct known known, cd_str accept)
{
        for (size_t i = 0; i < known.count; i++)
                if (!is_refused(accept, known.texts[i].tag))
                        return &known.texts[i];
        return NULL;
}

static const struct cd_texts *choose_accepted(struct known known, cd_str accept)
{
        const struct cd_texts *best = NULL;
        cd_str rest = accept;
        struct range range;
        int weight = 0;

        for (size_t i = 0; i < CD_LANGUAGE_MAX_RANGES && next_range(&rest, &range); i++) {
                if (range.weight <= weight) /* the first of equal ones stays */
                        continue;
                const struct cd_texts *found =
                        cd_str_eq(range.tag, CD_STR("*")) ? first_accepted(known, accept) : look_up(known, range.tag);
                if (found && !is_refused(accept, found->tag)) {
                        best = found;
                        weight = range.weight;
                }
        }
        return best ? best : first_accepted(known, accept);
}

const struct cd_texts *cd_language_choose(const struct cd_texts *texts, size_t count,
                                          const struct cd_language_wishes *wishes)
{
        struct known known = { texts, count };
        cd_str rest = wishes->ui_locales, tag;
        const struct cd_texts *found;

        for (size_t i = 0; i < CD_LANGUAGE_MAX_RANGES && cd_str_take_word(&rest, &tag); i++)
                if ((found = look_up(known, tag)))
                        return found;
        if ((found = look_up(known, wishes->remembered)) || (found = choose_accepted(known, wishes->accept)))
                return found;
        return texts;
}
