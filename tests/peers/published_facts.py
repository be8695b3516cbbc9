"""What no registry says of published checkpoints: their training data, and some licences. Each fact has its source.

Sizes are those that the source gives for the data set; how often its samples were seen is another number, which
open_clip's tags tell (s34b: 34 billion seen). Nothing is filled in by guess.
"""

from __future__ import annotations

from typing import Any

WEB, FILTERED = "web scrape", "web scrape, filtered"
HASHTAGS = "photo-sharing site, hashtags"
LABELLED = "web images, curated labels"

# name of the data set: samples ("" where its source does not tell), origin
DATA_SETS = {
    # Russakovsky et al. 2015, table 2: 1,281,167 training images of 1,000 classes, found by search engines, checked by
    # crowd workers.
    "ImageNet-1k": ("1.28M", LABELLED),
    # Dosovitskiy et al. 2021, section 4.1: "21k classes and 14M images".
    "ImageNet-21k": ("14M", LABELLED),
    # ZhangYuanhan-AI/Bamboo, README: 69 million annotations of images, of 24 public data sets and newly labelled ones.
    "Bamboo-CLS": ("69M", "public data sets, curated labels"),
    # facebookresearch/WSL-Images and semi-supervised-ImageNet1K-models, README: 940 million public images with 1,500
    # hashtags; timm's tags call them "ig1b", of Instagram. The students of the "semi-weakly supervised" ones saw 64
    # million of them.
    "IG-940M": ("940M", HASHTAGS),
    # The same README: "a subset of unlabeled YFCC100M"; how many is not said.
    "YFCC100M subset": ("", "photo-sharing site under Creative Commons"),
    # Singh et al. 2022 (SWAG): "IG-3.6B", about 3.6 billion unique images of Instagram with their hashtags.
    "IG-3.6B": ("3.6B", HASHTAGS),
    # Radford et al. 2021, section 2: 400 million pairs; openai/CLIP, model-card.md, "Data": websites crawled, and
    # existing data sets such as YFCC100M.
    "WIT (OpenAI)": ("400M", WEB),
    # openai/CLIP, data/yfcc100m.md: 14,829,396 images with English titles or descriptions, "subject to the Creative
    # Commons licenses chosen by their creators/uploaders".
    "YFCC15M": ("14.8M", "photo-sharing site under Creative Commons"),
    # Changpinyo et al. 2021; google-research-datasets/conceptual-12m: 12,423,374 pairs.
    "CC12M": ("12.4M", FILTERED),
    # Schuhmann et al. 2021, abstract: 400 million pairs of Common Crawl, filtered by CLIP.
    "LAION-400M": ("400M", FILTERED),
    # Schuhmann et al. 2022: 2.32 billion pairs with English texts.
    "LAION-2B-en": ("2.32B", FILTERED),
    # Gadre et al. 2023 (DataComp), table 3 and section 5.1. Which checkpoint had which: open_clip,
    # docs/datacomp_models.md. One pool, CommonPool of Common Crawl, in four sizes.
    "DataComp-1B": ("1.4B", FILTERED),
    "DataComp-1B subset L": ("140M", FILTERED),
    "DataComp-1B subset M": ("14M", FILTERED),
    "DataComp-1B subset S": ("1.4M", FILTERED),
    "CommonPool-S": ("12.8M", WEB),
    "CommonPool-S, basic filter": ("3M", FILTERED),
    "CommonPool-S, text filter": ("3.2M", FILTERED),
    "CommonPool-S, image filter": ("3M", FILTERED),
    "CommonPool-S, LAION filter": ("1.3M", FILTERED),
    "CommonPool-S, CLIP filter": ("3.8M", FILTERED),
    "CommonPool-M": ("128M", WEB),
    "CommonPool-M, basic filter": ("30M", FILTERED),
    "CommonPool-M, text filter": ("31M", FILTERED),
    "CommonPool-M, image filter": ("29M", FILTERED),
    "CommonPool-M, LAION filter": ("13M", FILTERED),
    "CommonPool-M, CLIP filter": ("38M", FILTERED),
    "CommonPool-L": ("1.28B", WEB),
    "CommonPool-L, basic filter": ("298M", FILTERED),
    "CommonPool-L, text filter": ("317M", FILTERED),
    "CommonPool-L, image filter": ("293M", FILTERED),
    "CommonPool-L, LAION filter": ("130M", FILTERED),
    "CommonPool-L, CLIP filter": ("384M", FILTERED),
    "CommonPool-XL": ("12.8B", WEB),
    "CommonPool-XL, LAION filter": ("1.3B", FILTERED),
    "CommonPool-XL, CLIP filter": ("3.8B", FILTERED),
    # Xu et al. 2024 (MetaCLIP), abstract: 400 million pairs of Common Crawl; facebookresearch/MetaCLIP, README, names
    # the files of 2.5 billion "fullcc2.5b".
    "MetaCLIP-400M": ("400M", FILTERED),
    "MetaCLIP-2.5B": ("2.5B", FILTERED),
    # The same README, v1.2: captions rewritten by a model (Xu et al. 2024, Altogether); only the pairs seen are told.
    "MetaCLIP Altogether": ("", f"{FILTERED}, captions rewritten"),
    # Fang et al. 2023 (DFN), abstract; model cards of apple/DFN2B-CLIP-ViT-L-14-39B (2B of 12.8B) and
    # apple/DFN5B-CLIP-ViT-H-14-378 (5B of 43B).
    "DFN-2B": ("2B", FILTERED),
    "DFN-5B": ("5B", FILTERED),
}

# Parts of a tag -> data sets, the first that fits; what the tags of timm and open_clip mean, by their documentation.
TAGS = {
    "ig1b_ft_in1k": ("IG-940M", "ImageNet-1k"),
    "yfcc100m_ft_in1k": ("YFCC100M subset", "ImageNet-1k"),
    "in21k_ft_in1k": ("ImageNet-21k", "ImageNet-1k"),
    "in21k": ("ImageNet-21k",),
    "in1k": ("ImageNet-1k",),
    "bamboo": ("Bamboo-CLS",),
    "SWAG": ("IG-3.6B", "ImageNet-1k"),
    "IMAGENET1K": ("ImageNet-1k",),
    "openai": ("WIT (OpenAI)",),
    "yfcc15m": ("YFCC15M",),
    "cc12m": ("CC12M",),
    "laion400m": ("LAION-400M",),
    "laion2b": ("LAION-2B-en",),
    "datacomp_xl": ("DataComp-1B",),
    "datacomp_l": ("DataComp-1B subset L",),
    "datacomp_m": ("DataComp-1B subset M",),
    "datacomp_s34b": ("DataComp-1B",),  # ViT-B-32-256: 34 billion seen, of DataComp-1B by its model card
    "datacomp_s_": ("DataComp-1B subset S",),
    "metaclip_400m": ("MetaCLIP-400M",),
    "metaclip_fullcc": ("MetaCLIP-2.5B",),
    "metaclip_altogether": ("MetaCLIP Altogether",),
    "dfn2b": ("DFN-2B",),
    "dfn5b": ("DFN-5B",),
}
FILTERS = {"basic": "basic", "text": "text", "image": "image", "laion": "LAION", "clip": "CLIP"}

# Weights without labels or texts: DINO, masked autoencoders. They belong to none of visavis's four families.
SELF_SUPERVISED = ("dino", "mae")

# open_clip 3.3.0 names the repository of epoch 31 for epoch 32 as well; the address beside it is that of epoch 32, and
# timm's registry has the repository of that name.
CORRECTED_REPOS = {"ViT-B-16-plus-240.laion400m_e32": "timm/vit_base_patch16_plus_clip_240.laion400m_e32"}

LICENCES = {  # timm's spelling -> SPDX, or as published.py explains
    "apache-2.0": "Apache-2.0",
    "bsd-3-clause": "BSD-3-Clause",
    "cc-by-nc-4.0": "CC-BY-NC-4.0",
    # facebookresearch/SWAG, LICENSE
    "https://github.com/facebookresearch/SWAG/blob/main/LICENSE": "CC-BY-NC-4.0",
    None: "not stated",  # Bamboo; its README keeps the data, not expressly the weights, to academic research
}


def training_of(name: str) -> dict[str, str]:
    """Training data, its size and origin, by the tag in a checkpoint's name."""
    tag = name.partition(".")[2]
    if tag.startswith("commonpool_"):
        scale, kind = tag.split("_")[1:3]
        names = (f"CommonPool-{scale.upper()}" + (f", {FILTERS[kind]} filter" if kind in FILTERS else ""),)
    else:
        names = next(names for part, names in TAGS.items() if part in tag)
    samples, origins = zip(*(DATA_SETS[name] for name in names), strict=True)
    return {
        "training_data": " + ".join(names),
        "samples": " + ".join(samples) if all(samples) else "",
        "origin": " + ".join(dict.fromkeys(origins)),
    }


def licence_of(row: dict[str, Any]) -> str:
    """The licence of a row's weights: the registry's word where it has one, else that of those who published them."""
    if row["source"] == "timm":
        return LICENCES[row["license"]]
    if row["source"] == "torchvision":
        return LICENCES[row["license"]] if row["license"] else "BSD-3-Clause"  # pytorch/vision, LICENSE
    tag = row["name"].partition(".")[2]
    if tag.startswith("metaclip"):
        return "CC-BY-NC-4.0"  # facebookresearch/MetaCLIP, LICENSE
    if tag.startswith("dfn"):
        return "Apple-ASCL"  # model cards of apple/DFN*
    # openai/CLIP, LICENSE; mlfoundations/open_clip, LICENSE, for its releases; model cards of laion/CLIP-*. timm's
    # registry says Apache-2.0 of the image towers that it cut out of OpenAI's and LAION's.
    return "MIT"
